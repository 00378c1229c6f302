#include "gst/output/audio_output.h"

#include "gst/debug.h"
#include "gst/input/audio_input.h"
#include "gst/input/frame_window.h"
#include "gst/input/timeline.h"
#include "gst/output/end_of_stream.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace latentsync {
namespace {

/// So much audio is held for a downstream that takes none, besides what its latency holds back.
constexpr int64_t kMostHeld = kAudioAhead / kSampleRate * GST_SECOND;

/// So many bytes wait in memory, 20 s of stereo at 48 kHz in 16 bits.
constexpr uint64_t kMostBytes = 4'000'000;

/// Times of audio and video that differ by no more are the same.
constexpr int64_t kRounding = GST_MSECOND;

bool is_fatal(GstFlowReturn flow) { return flow < GST_FLOW_EOS; }

/// Whether a sticky event replaces one that is kept.
bool replaces(GstEvent* event, GstEvent* kept) {
  const GstEventType type = GST_EVENT_TYPE(event);
  if (type != GST_EVENT_TYPE(kept)) return false;
  if ((gst_event_type_get_flags(type) & GST_EVENT_TYPE_STICKY_MULTI) == 0) return true;
  return gst_structure_get_name_id(gst_event_get_structure(event)) ==
         gst_structure_get_name_id(gst_event_get_structure(kept));
}

GstEventType type_of(const EventPtr& event) { return GST_EVENT_TYPE(event.get()); }

}  // namespace

void AudioOutput::start() {
  reset();
  stopping_ = false;
}

void AudioOutput::stop() {
  stopping_ = true;
  monitor_->notify();
}

void AudioOutput::forget_all() {
  leaving_.clear();
  spool_.clear();
  held_bytes_ = 0;
}

void AudioOutput::reset() {
  forget_all();
  sticky_.clear();
  alarm_.clear();
  gst_segment_init(&segment_, GST_FORMAT_TIME);
  end_ns_ = 0;
  flow_ = GST_FLOW_OK;
  stopping_ = true;
  flushing_ = ended_ = gap_ = failure_told_ = spool_failed_ = false;
}

void AudioOutput::open(GstPad* pad) {
  pad_ = pad;
  flow_ = GST_FLOW_OK;
  for (const EventPtr& event : sticky_) {
    leaving_.push_back({EventPtr(gst_event_ref(event.get())), std::nullopt});
  }
  monitor_->notify();
}

GstPad* AudioOutput::close() {
  forget_all();
  flow_ = GST_FLOW_OK;
  gap_ = false;
  monitor_->notify();
  return std::exchange(pad_, nullptr);
}

void AudioOutput::keep_sticky(GstEvent* event) {
  if (!GST_EVENT_IS_STICKY(event)) return;
  if (GST_EVENT_TYPE(event) == GST_EVENT_STREAM_START) sticky_.clear();
  std::erase_if(sticky_, [&](const EventPtr& kept) { return replaces(event, kept.get()); });
  sticky_.emplace_back(gst_event_ref(event));
}

/// What the event says about those that follow it, and when it leaves.
void AudioOutput::read_event(GstEvent* event, Leaving& leaving) {
  const GstSegment* segment = nullptr;
  GstClockTime time = GST_CLOCK_TIME_NONE;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START:
      ended_ = false;
      break;
    case GST_EVENT_SEGMENT:
      gst_event_parse_segment(event, &segment);
      segment_ = *segment;
      break;
    case GST_EVENT_GAP:
      gst_event_parse_gap(event, &time, nullptr);
      if (!GST_CLOCK_TIME_IS_VALID(time)) break;
      leaving.end_ns = running_time(segment_, time);
      leaving.running_ns = leaving.end_ns;
      break;
    case GST_EVENT_EOS:
      ended_ = true;
      break;
    default:
      break;
  }
}

void AudioOutput::push(EventPtr event) {
  Leaving leaving;
  read_event(event.get(), leaving);
  keep_sticky(event.get());
  if (!pad_) return;
  leaving.item = std::move(event);
  leaving_.push_back(std::move(leaving));
  monitor_->notify();
}

void AudioOutput::push(BufferPtr buffer) {
  const GstClockTime time = GST_BUFFER_PTS(buffer.get());
  const int64_t begin = GST_CLOCK_TIME_IS_VALID(time) ? running_time(segment_, time) : end_ns_;
  end_ns_ = begin;
  if (GST_BUFFER_DURATION_IS_VALID(buffer.get())) {
    end_ns_ += scale_time(static_cast<int64_t>(GST_BUFFER_DURATION(buffer.get())),
                          1 / std::abs(segment_.rate));
  }
  if (!pad_) return;
  if (source_.live() || !spool(buffer.get(), begin)) {
    held_bytes_ += gst_buffer_get_size(buffer.get());
    leaving_.push_back({std::move(buffer), begin, end_ns_});
  }
  if (source_.live()) drop_oldest();
  monitor_->notify();
}

bool AudioOutput::spool(GstBuffer* buffer, int64_t begin_ns) {
  if (held_bytes_ < kMostBytes && spool_.empty()) return false;
  if (!AudioSpool::takes(buffer)) return false;
  const bool worked = spool_.error().empty();
  if (!spool_.push(buffer, begin_ns, end_ns_)) {
    spool_failed_ = spool_failed_ || worked;
    return false;
  }
  auto* last = leaving_.empty() ? nullptr : std::get_if<Spooled>(&leaving_.back().item);
  if (last) {
    ++last->count;
  } else {
    leaving_.push_back({Spooled{1}, begin_ns, end_ns_});
  }
  return true;
}

/// What leaves next; null where it is lost.
std::variant<BufferPtr, EventPtr> AudioOutput::take_next() {
  Leaving& next = leaving_.front();
  if (auto* spooled = std::get_if<Spooled>(&next.item)) {
    AudioSpool::Entry entry = spool_.pop();
    next.running_ns = entry.end_ns;
    if (--spooled->count == 0) leaving_.pop_front();
    return std::move(entry.buffer);
  }
  std::variant<BufferPtr, EventPtr> taken;
  if (auto* buffer = std::get_if<BufferPtr>(&next.item)) {
    held_bytes_ -= gst_buffer_get_size(buffer->get());
    taken = std::move(*buffer);
  } else {
    taken = std::move(std::get<EventPtr>(next.item));
  }
  leaving_.pop_front();
  return taken;
}

void AudioOutput::warn_of_spool(Lock& lock) {
  const std::string why = spool_.error();
  const Unlocked unlocked(lock);
  reporter_.warn_once(Topic::kMemory, "audio-spool",
                      "The sound that waits for its frames cannot be kept in a temporary file: it "
                      "is kept in memory. Set TMPDIR to a folder with space for it.",
                      why);
}

/// Live, and downstream takes nothing.
void AudioOutput::drop_oldest() {
  const auto most = static_cast<int64_t>(source_.timing().latency()) + kMostHeld;
  for (auto at = leaving_.begin(); at != leaving_.end();) {
    if (at->running_ns && end_ns_ - *at->running_ns <= most) return;
    const auto* buffer = std::get_if<BufferPtr>(&at->item);
    const bool old = buffer != nullptr;
    if (old) held_bytes_ -= gst_buffer_get_size(buffer->get());
    if (old && !gap_) GST_WARNING_OBJECT(element_, "audio_src takes nothing: audio is dropped");
    gap_ = gap_ || old;
    at = old ? leaving_.erase(at) : at + 1;
  }
}

void AudioOutput::flush() {
  ++epoch_;
  flushing_ = true;
  ended_ = gap_ = false;
  GST_DEBUG_OBJECT(element_, "flush: %zu items of audio are dropped on their way out",
                   leaving_.size());
  std::erase_if(leaving_, [](const Leaving& leaving) {
    const auto* event = std::get_if<EventPtr>(&leaving.item);
    return !event || !survives_flush(event->get());
  });
  spool_.clear();
  held_bytes_ = 0;
  std::erase_if(sticky_, [](const EventPtr& event) { return !survives_flush(event.get()); });
  monitor_->notify();
}

void AudioOutput::resume() {
  flushing_ = false;
  flow_ = GST_FLOW_OK;
  end_ns_ = 0;
  gst_segment_init(&segment_, GST_FORMAT_TIME);
  monitor_->notify();
}

void AudioOutput::relinked() {
  if (flow_ != GST_FLOW_NOT_LINKED) return;
  flow_ = GST_FLOW_OK;
  monitor_->notify();
}

bool AudioOutput::has_room() const {
  for (const Leaving& leaving : leaving_) {
    if (leaving.running_ns) return end_ns_ - *leaving.running_ns < kMostHeld;
  }
  return true;
}

/// The clock's time at which LEAVING, which has a time, leaves a live graph: 0 where that is at
/// once, none where no clock goes.
GstClockTime AudioOutput::due(const Leaving& leaving) const {
  const Timing& timing = source_.timing();
  const std::optional<Source::Left>& left = source_.left();
  const int64_t begin = *leaving.running_ns;
  const bool shown = left && leaving.end_ns <= left->end_ns + kRounding;
  if (shown && begin <= left->begin_ns) return 0;
  if (!timing.clock()) return shown ? 0 : GST_CLOCK_TIME_NONE;
  const GstClockTime latest = timing.due(begin);
  if (!shown) return latest;
  return std::min(latest, left->at + static_cast<GstClockTime>(begin - left->begin_ns));
}

bool AudioOutput::waits(const Leaving& leaving) const {
  if (!source_.live() || !leaving.running_ns || flow_ != GST_FLOW_OK) return false;
  const GstClockTime time = due(leaving);
  if (!GST_CLOCK_TIME_IS_VALID(time)) return true;
  return time > 0 && gst_clock_get_time(source_.timing().clock()) < time;
}

void AudioOutput::wait(Lock& lock, uint64_t seen) {
  const GstClockTime time = leaving_.empty() ? GST_CLOCK_TIME_NONE : due(leaving_.front());
  if (!GST_CLOCK_TIME_IS_VALID(time)) {
    alarm_.clear();
  } else if (!alarm_.set(source_.timing().clock(), time)) {
    return;
  }
  monitor_->wait(lock, seen);
}

void AudioOutput::turn(GstPad* pad) {
  Lock lock(monitor_->mutex);
  const uint64_t seen = monitor_->changes();
  if (stopping_ || flushing_ || pad != pad_) {
    // Whoever flushes, stops or takes the pad away waits for the end of this turn.
    const Unlocked unlocked(lock);
    gst_pad_pause_task(pad);
    return;
  }
  if (reporter_.failed()) {
    end_after_failure(lock, pad);
    return;
  }
  if (std::exchange(spool_failed_, false)) {
    warn_of_spool(lock);
    return;
  }
  if (leaving_.empty() || waits(leaving_.front())) {
    wait(lock, seen);
    return;
  }
  auto item = take_next();
  monitor_->notify();
  const auto* buffer = std::get_if<BufferPtr>(&item);
  if (buffer && !*buffer) {
    const std::string why = spool_.error();
    const Unlocked unlocked(lock);
    reporter_.post_failure({ErrorCode::kUnreadable,
                            "The sound that waited in a temporary file cannot be read from it: "
                            "check the disk, or set TMPDIR to a folder on another one.",
                            why});
    return;
  }
  std::visit([&](auto& taken) { send(lock, pad, std::move(taken)); }, item);
}

void AudioOutput::send(Lock& lock, GstPad* pad, EventPtr event) {
  const GstEventType type = type_of(event);
  // A new stream or segment is another try.
  const bool anew = type == GST_EVENT_STREAM_START || type == GST_EVENT_SEGMENT;
  if (anew && flow_ == GST_FLOW_EOS) flow_ = GST_FLOW_OK;
  const Unlocked unlocked(lock);
  GST_DEBUG_OBJECT(pad, "output: %" GST_PTR_FORMAT, event.get());
  gst_pad_push_event(pad, event.release());
}

void AudioOutput::send(Lock& lock, GstPad* pad, BufferPtr buffer) {
  if (flow_ != GST_FLOW_OK) return;
  const uint64_t epoch = epoch_;
  if (std::exchange(gap_, false)) {
    buffer.reset(gst_buffer_make_writable(buffer.release()));
    GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_DISCONT);
  }
  GstFlowReturn flow;
  {
    const Unlocked unlocked(lock);
    GST_LOG_OBJECT(pad, "output: %" GST_PTR_FORMAT, buffer.get());
    flow = gst_pad_push(pad, buffer.release());
  }
  if (flow == GST_FLOW_OK || epoch != epoch_ || pad != pad_) return;
  GST_DEBUG_OBJECT(pad, "downstream returns %s", gst_flow_get_name(flow));
  flow_ = flow;
  monitor_->notify();
  // The next buffer takes it upstream. After the last one there is nobody else to post it.
  if (!is_fatal(flow) || !ended_) return;
  const Unlocked unlocked(lock);
  GST_ELEMENT_FLOW_ERROR(element_, flow);
}

void AudioOutput::end_after_failure(Lock& lock, GstPad* pad) {
  const uint64_t seen = monitor_->changes();
  if (std::exchange(failure_told_, true)) {
    monitor_->wait(lock, seen);
    return;
  }
  forget_all();
  const Unlocked unlocked(lock);
  push_end_of_stream(pad);
}

}  // namespace latentsync
