#include "gst/bin/speech_feed.h"

#include "gst/debug.h"
#include "gst/input/timeline.h"

#include <algorithm>
#include <chrono>
#include <utility>

/// What the video tells, from its threads. The thread that reads is in speech_thread.cpp.
namespace latentsync {
namespace {

/// Audio before a window that it depends on, at most (docs/audio.md).
constexpr int64_t kContext = 24 * GST_SECOND;
/// A plan that does not get on for so long is not waited for.
constexpr std::chrono::seconds kPatience{2};

gboolean upstream_event(GstPad*, GstObject*, GstEvent* event) {
  // Seeks come back as segments of the video; nothing else concerns a file that is read.
  gst_event_unref(event);
  return TRUE;
}

gboolean upstream_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_SEEKING:
      // Whether a seek is possible is the video's to say.
      gst_query_set_seeking(query, GST_FORMAT_TIME, TRUE, 0, -1);
      return TRUE;
    case GST_QUERY_LATENCY:
      gst_query_set_latency(query, FALSE, 0, GST_CLOCK_TIME_NONE);
      return TRUE;
    default:
      return gst_pad_query_default(pad, parent, query);
  }
}

}  // namespace

SpeechFeed::SpeechFeed() : pad_(GST_PAD(gst_object_ref_sink(gst_pad_new("speech", GST_PAD_SRC)))) {
  gst_pad_set_event_function(pad_.get(), upstream_event);
  gst_pad_set_query_function(pad_.get(), upstream_query);
}

SpeechFeed::~SpeechFeed() {
  begin_stop();
  end_stop();
}

void SpeechFeed::start(const Options& options, Failed failed) {
  options_ = options;
  failed_ = std::move(failed);
  caps_.reset();
  needs_start_ = true;
  {
    const std::lock_guard lock(mutex_);
    flushing_ = reported_ = introduced_ = done_ = false;
    running_ = true;
    pending_.clear();
    plan_.reset();
    video_ns_.reset();
    begun_ = serial_ = 0;
    offset_ = options.offset;
  }
  gst_pad_set_active(pad_.get(), TRUE);
  decoder_ = std::make_unique<SpeechDecoder>(options.source, [this] {
    const std::lock_guard lock(mutex_);
    notify();
  });
  thread_ = std::thread([this] { run(); });
}

void SpeechFeed::begin_stop() {
  const std::lock_guard lock(mutex_);
  running_ = false;
  notify();
}

void SpeechFeed::end_stop() {
  if (thread_.joinable()) thread_.join();
  decoder_.reset();
  gst_pad_set_active(pad_.get(), FALSE);
}

void SpeechFeed::notify() {
  ++changes_;
  changed_.notify_all();
}

void SpeechFeed::add_plan(const GstSegment& video, int64_t in_point, int64_t context,
                          int64_t begin_ns) {
  const SpeechShift shift{in_point, offset_, options_.offset};
  if (options_.whole) context = INT64_MAX / 2;
  pending_.push_back({place_speech(video, shift, context), video, in_point, begin_ns, ++serial_});
  notify();
}

void SpeechFeed::set_segment(const GstSegment& video, int64_t in_point) {
  Lock lock(mutex_);
  if (!running_ || flushing_) return;
  const bool first = !plan_ && pending_.empty();
  const auto begin_ns = static_cast<int64_t>(video.base);
  if (first) {
    add_plan(video, in_point, kContext, begin_ns);
    return;
  }
  const Plan& last = pending_.empty() ? *plan_ : pending_.back();
  const SpeechShift shift{in_point, offset_, options_.offset};
  if (is_same_place(place_speech(video, shift, 0), last.place)) return;
  // What is pushed after the segment replaces what was known from there on: no context.
  add_plan(video, in_point, 0, begin_ns);
  const uint64_t serial = serial_;
  const uint64_t epoch = epoch_;
  const auto is_over = [&] {
    return !running_ || flushing_ || epoch != epoch_ || begun_ >= serial;
  };
  while (!is_over()) {
    const uint64_t progress = progress_;
    const bool moved =
        changed_.wait_for(lock, kPatience, [&] { return is_over() || progress_ != progress; });
    if (moved) continue;
    GST_WARNING_OBJECT(pad_.get(), "the speech of the frames before this segment is not read");
    return;
  }
}

void SpeechFeed::advance(int64_t running_ns) {
  const std::lock_guard lock(mutex_);
  if (video_ns_ && *video_ns_ >= running_ns) return;
  video_ns_ = running_ns;
  notify();
}

void SpeechFeed::flush_start(EventPtr event) {
  {
    const std::lock_guard lock(mutex_);
    flushing_ = true;
    ++epoch_;
    pending_.clear();
    plan_.reset();
    video_ns_.reset();
    notify();
  }
  gst_pad_push_event(pad_.get(), event.release());
}

void SpeechFeed::flush_stop(EventPtr event) {
  const std::lock_guard push_lock(push_mutex_);
  gst_pad_push_event(pad_.get(), event.release());
  const std::lock_guard lock(mutex_);
  flushing_ = false;
  notify();
}

void SpeechFeed::set_offset(int64_t offset) {
  const std::lock_guard lock(mutex_);
  if (offset_ == offset) return;
  offset_ = offset;
  if (!running_ || flushing_ || (!plan_ && pending_.empty())) return;
  const Plan last = pending_.empty() ? *plan_ : pending_.back();
  const int64_t from = video_ns_.value_or(last.begin_ns);
  add_plan(segment_from(last.video, from), last.in_point, 0, from);
}

}  // namespace latentsync
