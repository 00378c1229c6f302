#include "gst/debug.h"
#include "gst/output/end_of_stream.h"
#include "gst/output/source.h"

#include <utility>

/// What leaves by the source pad.
namespace latentsync {

bool Source::holds_end_back() {
  end_due_.reset();
  const auto* event = std::get_if<EventPtr>(&leaving_.front().item);
  if (!event || GST_EVENT_TYPE(event->get()) != GST_EVENT_EOS) return false;
  if (input_.audio.flushing()) return input_.audio.flush_seqnum() != input_.video.flush_seqnum();
  const auto flushed = input_.audio_flushed;
  if (!flushed || input_.audio.ended()) return waits_for_cache();
  if (std::chrono::steady_clock::now() >= *flushed + kPatience) return waits_for_cache();
  GST_DEBUG_OBJECT(element_, "the end waits: the audio has flushed, and the video may follow");
  end_due_ = *flushed + kPatience;
  return true;
}

/// What the files of the last windows met is posted before EOS, after which many applications read
/// no messages. A live graph does not wait for a disk.
bool Source::waits_for_cache() {
  if (live() || !options_.worker->has_cache()) return false;
  const auto now = std::chrono::steady_clock::now();
  const bool idle = options_.worker->idle();
  if (!cache_due_) {
    if (!idle || kept_windows_ == windows_) return false;
    kept_windows_ = windows_;
    cache_due_ = now + kPatience;
    options_.worker->finish_cache();
  } else if (idle || now >= *cache_due_) {
    cache_due_.reset();
    return false;
  }
  GST_DEBUG_OBJECT(element_, "the end waits for the cache's files");
  end_due_ = cache_due_;
  return true;
}

bool Source::send_next(Lock& lock) {
  if (leaving_.empty() || holds_end_back()) return false;
  Leaving& next = leaving_.front();
  if (auto* found = std::get_if<Frame>(&next.item)) {
    Frame frame = std::move(*found);
    const bool late = next.late;
    leaving_.pop_front();
    send_frame(lock, std::move(frame), late);
  } else {
    EventPtr event = std::move(std::get<EventPtr>(next.item));
    leaving_.pop_front();
    send_event(lock, std::move(event));
  }
  monitor_->notify();
  return true;
}

void Source::send_event(Lock& lock, EventPtr event) {
  const GstEventType type = GST_EVENT_TYPE(event.get());
  const uint64_t epoch = epoch_;
  GST_DEBUG_OBJECT(element_, "output: %" GST_PTR_FORMAT, event.get());
  sending_ = true;
  {
    Unlocked unlocked(lock);
    gst_pad_push_event(pads_.src, event.release());
  }
  sending_ = false;
  if (epoch != epoch_) return;
  if (type == GST_EVENT_STREAM_START) {
    ended_ = false;
  } else if (type == GST_EVENT_EOS) {
    ended_ = true;
  }
}

Lateness Source::lateness(const Frame& frame) const {
  Lateness result{0, proportion_, frame.edited};
  if (GstClock* clock = timing_.clock()) {
    result.jitter_ns = GST_CLOCK_DIFF(timing_.due(frame.running_ns), gst_clock_get_time(clock));
  }
  return result;
}

void Source::send_frame(Lock& lock, Frame frame, bool late) {
  const uint64_t epoch = epoch_;
  Left left{frame.running_ns, frame.end_ns};
  GstFlowReturn flow;
  const Lateness lateness = late ? this->lateness(frame) : Lateness{};
  {
    Unlocked unlocked(lock);
    if (late) reporter_.post_late(frame, lateness);
    GST_LOG_OBJECT(element_, "output, %s%s: %" GST_PTR_FORMAT,
                   frame.edited ? "edited" : "as it came", late ? ", late" : "",
                   frame.buffer.get());
    flow = gst_pad_push(pads_.src, frame.buffer.release());
    if (flow == GST_FLOW_OK) {
      reporter_.count_out(frame, late);
    } else {
      reporter_.count_dropped(1);
    }
  }
  if (epoch != epoch_) return;
  --held_;
  if (timing_.clock()) left.at = gst_clock_get_time(timing_.clock());
  left_ = left;
  if (flow == GST_FLOW_OK) return;
  GST_DEBUG_OBJECT(element_, "downstream returns %s", gst_flow_get_name(flow));
  flow_ = flow;
  // The next buffer takes it upstream. After the last one there is nobody else to post it.
  const bool fatal = flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS;
  if (!fatal || !input_.video.ended()) return;
  Unlocked unlocked(lock);
  GST_ELEMENT_FLOW_ERROR(element_, flow);
  gst_pad_push_event(pads_.src, gst_event_new_eos());
}

void Source::end_after_failure(Lock& lock) {
  const bool first = flow_ != GST_FLOW_ERROR;
  flow_ = GST_FLOW_ERROR;
  const uint64_t seen = monitor_->changes();
  if (first) {
    GST_DEBUG_OBJECT(element_, "an error has been posted: nothing more is rendered");
    monitor_->notify();
    if (!std::exchange(ended_, true)) {
      Unlocked unlocked(lock);
      push_end_of_stream(pads_.src);
    }
    return;
  }
  monitor_->wait(lock, seen);
}

}  // namespace latentsync
