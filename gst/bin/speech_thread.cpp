#include "gst/bin/speech_feed.h"
#include "gst/debug.h"
#include "gst/guard.h"
#include "gst/input/audio_input.h"
#include "gst/input/timeline.h"

#include <algorithm>
#include <gst/audio/audio.h>
#include <utility>

/// The thread that reads the speech, and pushes it to audio_sink as far ahead of the video as it is
/// needed.
namespace latentsync {
namespace {

/// Speech that is pushed ahead of the frames, besides the look-ahead.
constexpr int64_t kAhead = 2 * GST_SECOND;
constexpr const char* kDefaultCaps =
    "audio/x-raw,format=F32LE,rate=16000,channels=1,layout=interleaved";

}  // namespace

void SpeechFeed::run() {
  try {
    decoder_->start();
    Lock lock(mutex_);
    while (running_) {
      const uint64_t seen = changes_;
      if (act(lock)) continue;
      changed_.wait(lock, [&] { return changes_ != seen; });
    }
  } catch (...) {
    const Failure failure = current_failure();
    failed_({GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED, failure.message, failure.detail});
  }
}

/// Does one thing; false where there is nothing to do.
bool SpeechFeed::act(Lock& lock) {
  if (flushing_) return false;
  if (may_begin()) {
    begin(lock);
    return true;
  }
  return may_read() && read(lock);
}

bool SpeechFeed::may_begin() const {
  if (flushing_ || pending_.empty()) return false;
  if (!plan_ || done_) return true;
  if (options_.whole || !introduced_) return false;
  return read_to_ns_ >= speech_time(plan_->place, pending_.front().begin_ns);
}

bool SpeechFeed::may_read() const {
  if (!plan_ || done_) return false;
  if (options_.whole || !introduced_) return true;
  int64_t to = std::max(video_ns_.value_or(plan_->begin_ns), plan_->begin_ns);
  if (!pending_.empty()) to = std::max(to, pending_.front().begin_ns);
  return read_to_ns_ < speech_time(plan_->place, to + options_.lookahead + kAhead);
}

void SpeechFeed::begin(Lock& lock) {
  plan_ = std::move(pending_.front());
  pending_.pop_front();
  introduced_ = done_ = false;
  read_to_ns_ = static_cast<int64_t>(plan_->place.segment.start);
  ++progress_;
  if (caps_) push_plan(lock, caps_.get());
  if (plan_ && !plan_->place.backwards) {
    const int64_t from = plan_->place.file_start;
    lock.unlock();
    // Before anything was read only the start can be read; the first sample comes back here.
    if (caps_) decoder_->seek(from);
    lock.lock();
  }
}

/// Caps and segment, and whoever waits for the plan goes on.
void SpeechFeed::push_plan(Lock& lock, GstCaps* caps) {
  const uint64_t epoch = epoch_;
  const Plan plan = *plan_;
  lock.unlock();
  GST_DEBUG_OBJECT(pad_.get(), "speech from %" GST_TIME_FORMAT " of the file: %" GST_SEGMENT_FORMAT,
                   GST_TIME_ARGS(plan.place.file_start), &plan.place.segment);
  // The same stream again after its EOS, which only a flush would end otherwise.
  if (std::exchange(needs_start_, false)) {
    push(gst_event_new_stream_start("latentsync-speech"), epoch);
  }
  if (!caps_ || !gst_caps_is_equal(caps_.get(), caps)) {
    push(gst_event_new_caps(caps), epoch);
    caps_.reset(gst_caps_ref(caps));
  }
  GstEvent* segment = gst_event_new_segment(&plan.place.segment);
  gst_structure_set(gst_event_writable_structure(segment), kOwnTimeline, G_TYPE_BOOLEAN, TRUE,
                    nullptr);
  push(segment, epoch);
  const bool pushed = plan.place.backwards || push_lead_in(plan, caps, epoch);
  lock.lock();
  if (epoch != epoch_) return;
  introduced_ = true;
  done_ = plan.place.backwards || !pushed;
  begun_ = plan.serial;
  ++progress_;
  notify();
}

/// Silence at the begin of a segment whose speech comes later, so that what is known of it begins
/// with it.
bool SpeechFeed::push_lead_in(const Plan& plan, GstCaps* caps, uint64_t epoch) {
  GstAudioInfo info;
  const auto begin = static_cast<int64_t>(plan.place.segment.start);
  const int64_t silence = plan.place.file_start + plan.place.shift - begin;
  if (silence <= 0 || !gst_audio_info_from_caps(&info, caps)) return true;
  const guint64 frames = gst_util_uint64_scale(
      static_cast<guint64>(std::min<int64_t>(silence, 10 * GST_MSECOND)), info.rate, GST_SECOND);
  if (frames == 0) return true;
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, frames * info.bpf, nullptr);
  GstMapInfo map;
  if (!buffer || !gst_buffer_map(buffer, &map, GST_MAP_WRITE)) {
    gst_clear_buffer(&buffer);
    return true;
  }
  gst_audio_format_info_fill_silence(info.finfo, map.data, map.size);
  gst_buffer_unmap(buffer, &map);
  GST_BUFFER_PTS(buffer) = plan.place.segment.start;
  GST_BUFFER_DURATION(buffer) = gst_util_uint64_scale(frames, GST_SECOND, info.rate);
  return push(BufferPtr(buffer), epoch) == GST_FLOW_OK;
}

bool SpeechFeed::read(Lock& lock) {
  const uint64_t epoch = epoch_;
  const uint64_t serial = plan_->serial;
  const int64_t from = plan_->place.file_start;
  lock.unlock();
  SamplePtr sample = decoder_->take();
  const bool ended = !sample && decoder_->ended();
  const bool failed = !sample && decoder_->failure().has_value();
  CapsPtr caps(sample ? gst_caps_ref(gst_sample_get_caps(sample.get()))
                      : gst_caps_from_string(kDefaultCaps));
  const bool elsewhere = sample && !caps_ && from > 0;
  if (elsewhere) {
    // Now it can seek. appsink does not expect its sample to be held meanwhile.
    sample.reset();
    decoder_->seek(from);
  }
  lock.lock();
  const auto is_over = [&] {
    return epoch != epoch_ || !running_ || !plan_ || plan_->serial != serial;
  };
  if (is_over()) return true;
  if (failed) report(lock);
  if (is_over()) return true;
  if (!sample && !elsewhere && !ended && !failed) return false;
  if (!introduced_) push_plan(lock, caps.get());
  if (is_over() || elsewhere) return true;
  if (!sample) {
    end_plan(lock);
    return true;
  }
  return push_sample(lock, std::move(sample));
}

void SpeechFeed::end_plan(Lock& lock) {
  const uint64_t epoch = epoch_;
  lock.unlock();
  push(gst_event_new_eos(), epoch);
  needs_start_ = true;
  lock.lock();
  if (epoch == epoch_) done_ = true;
  ++progress_;
  notify();
}

void SpeechFeed::report(Lock& lock) {
  if (std::exchange(reported_, true)) return;
  lock.unlock();
  if (const auto failure = decoder_->failure()) failed_(*failure);
  lock.lock();
}

bool SpeechFeed::push_sample(Lock& lock, SamplePtr sample) {
  const uint64_t epoch = epoch_;
  const Plan plan = *plan_;
  lock.unlock();
  GstCaps* const caps = gst_sample_get_caps(sample.get());
  GstAudioInfo info;
  GstBuffer* const read = gst_sample_get_buffer(sample.get());
  if (!read || !gst_audio_info_from_caps(&info, caps)) {
    lock.lock();
    return true;
  }
  if (!gst_caps_is_equal(caps_.get(), caps)) {
    push(gst_event_new_caps(caps), epoch);
    caps_.reset(gst_caps_ref(caps));
  }
  BufferPtr buffer(gst_buffer_copy(read));
  const GstSegment* segment = gst_sample_get_segment(sample.get());
  GstFlowReturn flow = GST_FLOW_OK;
  int64_t end = 0;
  if (GST_BUFFER_PTS_IS_VALID(read)) {
    const int64_t file_ns = stream_time(*segment, GST_BUFFER_PTS(read));
    GstSegment wanted;
    gst_segment_init(&wanted, GST_FORMAT_TIME);
    wanted.start = static_cast<guint64>(plan.place.file_start);
    GST_BUFFER_PTS(buffer.get()) = static_cast<guint64>(std::max<int64_t>(file_ns, 0));
    buffer.reset(gst_audio_buffer_clip(buffer.release(), &wanted, info.rate, info.bpf));
  }
  if (buffer && GST_BUFFER_PTS_IS_VALID(buffer.get())) {
    // Not before the segment: that was clipped.
    const int64_t time = static_cast<int64_t>(GST_BUFFER_PTS(buffer.get())) + plan.place.shift;
    GST_BUFFER_PTS(buffer.get()) = static_cast<guint64>(std::max<int64_t>(time, 0));
    const auto frames = static_cast<guint64>(gst_buffer_get_size(buffer.get()) / info.bpf);
    end = time + static_cast<int64_t>(gst_util_uint64_scale(frames, GST_SECOND, info.rate));
  }
  if (buffer) flow = push(std::move(buffer), epoch);
  lock.lock();
  if (epoch != epoch_) return true;
  read_to_ns_ = std::max(read_to_ns_, end);
  if (flow != GST_FLOW_OK) {
    GST_DEBUG_OBJECT(pad_.get(), "audio_sink returns %s", gst_flow_get_name(flow));
    done_ = true;
  }
  ++progress_;
  notify();
  return true;
}

bool SpeechFeed::push(GstEvent* event, uint64_t epoch) {
  const std::lock_guard push_lock(push_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (epoch != epoch_ || !running_) {
      gst_event_unref(event);
      return false;
    }
  }
  return gst_pad_push_event(pad_.get(), event);
}

GstFlowReturn SpeechFeed::push(BufferPtr buffer, uint64_t epoch) {
  const std::lock_guard push_lock(push_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (epoch != epoch_ || !running_) return GST_FLOW_FLUSHING;
  }
  return gst_pad_push(pad_.get(), buffer.release());
}

}  // namespace latentsync
