#include "gst/input/video_input.h"

#include "gst/debug.h"
#include "gst/input/timeline.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace latentsync {
namespace {

bool is_discontinuity(GstBuffer* buffer) {
  return GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT) ||
         GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_RESYNC);
}

}  // namespace

void VideoInput::start(int window_frames, uint64_t lookahead_ns) {
  *this = VideoInput();
  frames_ = FrameWindow(window_frames);
  lookahead_ns_ = lookahead_ns;
  gst_segment_init(&segment_, GST_FORMAT_TIME);
}

void VideoInput::set_caps(const GstVideoInfo& format, EventPtr event) {
  // The same again is no news: a bin or a seek may repeat it.
  if (!format_ || !gst_video_info_is_equal(format_.get(), &format)) {
    format_ = std::make_shared<const GstVideoInfo>(format);
    frames_.cut();
    frames_.set_rate(format.fps_n, format.fps_d);
  }
  frames_.push(std::move(event));
}

void VideoInput::set_segment(const GstSegment& segment, EventPtr event) {
  if (!gst_segment_is_equal(&segment_, &segment)) frames_.cut();
  segment_ = segment;
  frames_.push(std::move(event));
}

void VideoInput::push(BufferPtr buffer) {
  Frame frame;
  frame.format = format_;
  const GstClockTime time = GST_BUFFER_PTS(buffer.get());
  if (GST_CLOCK_TIME_IS_VALID(time)) {
    frame.running_ns = running_time(segment_, time);
    frame.stream_ns = stream_time(segment_, time);
  } else {
    frame.running_ns = frame.stream_ns = end_ns_.value_or(0);
  }
  frame.segment_ns = running_time(segment_, segment_.start);
  const bool timed = GST_BUFFER_DURATION_IS_VALID(buffer.get());
  const int64_t duration =
      timed ? static_cast<int64_t>(GST_BUFFER_DURATION(buffer.get())) : frames_.duration(1);
  frame.end_ns = frame.running_ns + scale_time(duration, 1 / std::abs(segment_.rate));
  end_ns_ = frame.end_ns;
  const bool discontinuity = is_discontinuity(buffer.get());
  frame.buffer = std::move(buffer);
  if (segment_.rate < 0) {
    frames_.push_unedited(std::move(frame));
  } else {
    frames_.push(std::move(frame), discontinuity);
  }
}

void VideoInput::push_gap(EventPtr event) {
  GstClockTime time = 0, duration = GST_CLOCK_TIME_NONE;
  gst_event_parse_gap(event.get(), &time, &duration);
  if (!GST_CLOCK_TIME_IS_VALID(duration)) duration = 0;
  // Audio that belongs to it may arrive.
  const int64_t end = running_time(segment_, time) +
                      scale_time(static_cast<int64_t>(duration), 1 / std::abs(segment_.rate));
  end_ns_ = std::max(end_ns_.value_or(end), end);
  frames_.push(std::move(event));
}

void VideoInput::end(EventPtr event) {
  if (GST_EVENT_TYPE(event.get()) == GST_EVENT_EOS) {
    frames_.close();
    ended_ = true;
  } else {
    frames_.cut();
  }
  frames_.push(std::move(event));
}

void VideoInput::begin(EventPtr event) {
  ended_ = false;
  frames_.push(std::move(event));
}

int VideoInput::begin_flush(guint32 seqnum) {
  flushing_ = true;
  flush_seqnum_ = seqnum;
  return frames_.drop_frames();
}

void VideoInput::end_flush() {
  flushing_ = ended_ = false;
  end_ns_.reset();
  gst_segment_init(&segment_, GST_FORMAT_TIME);
}

std::optional<int64_t> VideoInput::oldest_ns() const {
  const Frame* oldest = frames_.oldest();
  return oldest ? std::optional(oldest->running_ns) : std::nullopt;
}

GstClockTime VideoInput::window_duration() const {
  return static_cast<GstClockTime>(frames_.duration(frames_.window_frames()));
}

int VideoInput::most_held(GstClockTime render_ns) const {
  const uint64_t frame = frame_duration();
  const auto frames = [frame](uint64_t ns) { return static_cast<int>((ns + frame - 1) / frame); };
  const int window = frames_.window_frames();
  return window + std::max(window, frames(render_ns)) + frames(lookahead_ns_) + 1;
}

}  // namespace latentsync
