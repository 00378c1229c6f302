#include "examples/transcode/video_feed.h"

#include <algorithm>
#include <utility>

namespace latentsync::transcode {
namespace {

/// Frames that are kept at once to turn them round.
constexpr int kChunkFrames = 16;

Unit share(const Unit& unit) {
  Unit copy;
  copy.buffer.reset(gst_buffer_copy(unit.buffer.get()));
  copy.caps.reset(gst_caps_ref(unit.caps.get()));
  copy.time = unit.time;
  copy.duration = unit.duration;
  return copy;
}

}  // namespace

VideoFeed::VideoFeed(MediaReader& reader, VideoEnd mode, GstClockTime video_end, GstClockTime end)
    : reader_(reader), mode_(mode), video_end_(video_end), end_(end) {}

void VideoFeed::skip_to(GstClockTime time) {
  skip_to_ = time;
  // Later passes are read from the beginning: where they begin depends on the first frame.
  if (time > 4 * GST_SECOND && time < video_end_ && mode_ == VideoEnd::kStop) {
    reader_.seek(time);
  }
}

Unit VideoFeed::next() {
  for (;;) {
    Unit unit = next_of_pass();
    if (!unit || unit.time >= end_) {
      return {};
    }
    if (unit.time >= skip_to_) {
      return unit;
    }
  }
}

Unit VideoFeed::next_of_pass() {
  for (;;) {
    if (mode_ == VideoEnd::kHold && pass_ > 0) {
      Unit unit = share(last_);
      unit.time = held_;
      held_ += reader_.frame_duration();
      return unit;
    }
    Unit unit = backwards() ? next_backwards() : next_forwards();
    if (unit) {
      if (std::exchange(pass_begins_, false) && mode_ == VideoEnd::kLoop) {
        unit.buffer.reset(gst_buffer_make_writable(unit.buffer.release()));
        GST_BUFFER_FLAG_SET(unit.buffer.get(), GST_BUFFER_FLAG_DISCONT);
      }
      return unit;
    }
    if (mode_ == VideoEnd::kStop || !first_time_ || reader_.stopped()) {
      return {};
    }
    begin_pass();
  }
}

void VideoFeed::begin_pass() {
  ++pass_;
  pass_begins_ = true;
  offset_ += video_end_ - (pass_ == 1 ? 0 : *first_time_);
  held_ = video_end_;
  if (backwards()) {
    low_ = video_end_;
  } else if (mode_ != VideoEnd::kHold) {
    reader_.seek(0);
  }
}

Unit VideoFeed::next_forwards() {
  Unit unit = reader_.next();
  if (!unit) {
    return unit;
  }
  if (!first_time_) {
    first_time_ = unit.time;
  }
  if (mode_ == VideoEnd::kHold) {
    last_ = share(unit);
  }
  if (pass_ > 0) {
    unit.time = unit.time - std::min(unit.time, *first_time_) + offset_;
  }
  return unit;
}

Unit VideoFeed::next_backwards() {
  if (chunk_.empty() && low_ > *first_time_) {
    read_backwards_until(low_);
  }
  if (chunk_.empty()) {
    return {};
  }
  Unit unit = std::move(chunk_.back());
  chunk_.pop_back();
  // The last frame begins the pass, whatever duration the file gives it.
  const GstClockTime end = pass_begins_ ? video_end_ : std::min(video_end_, unit.end());
  unit.time = offset_ + video_end_ - end;
  return unit;
}

void VideoFeed::read_backwards_until(GstClockTime high) {
  while (chunk_.empty() && low_ > *first_time_ && !reader_.stopped()) {
    const GstClockTime length = kChunkFrames * reader_.frame_duration();
    low_ = high - *first_time_ > length ? high - length : *first_time_;
    reader_.seek(low_);
    for (Unit unit = reader_.next(); unit && unit.time < high; unit = reader_.next()) {
      if (unit.time >= low_) {
        chunk_.push_back(std::move(unit));
      }
    }
    high = low_;
  }
}

}  // namespace latentsync::transcode
