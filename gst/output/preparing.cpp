#include "gst/debug.h"
#include "gst/output/source.h"

#include <algorithm>
#include <utility>

/// The window after the one that is being rendered is prepared meanwhile, if all of it has arrived.
namespace latentsync {

/// Not in a live graph: there is a next window only where the engine is too slow, and what it does
/// beside a window would be measured as that window's time.
FrameGroup* Source::next_window() {
  if (!flight_ || flight_->next_seen || seeking_ || reopen_ || timing_.live()) return nullptr;
  if (!options_.worker->can_prepare()) return nullptr;
  FrameGroup* group = placed_window();
  if (!group || group->reverse) return nullptr;
  if (context_ == AudioContext::kWhole) return input_.audio.known() ? group : nullptr;
  const bool heard = input_.audio.covers(options_.worker->needed_audio(group->times()).end);
  return heard ? group : nullptr;
}

/// With the settings, frames and audio that submit() will find; where they change in between the
/// engine prepares it anew.
bool Source::prepare_next(Lock& lock) {
  FrameGroup* group = next_window();
  if (!group) return false;
  const int64_t time = group->frame(0).stream_ns;
  const uint64_t epoch = epoch_;
  Settings settings;
  {
    Unlocked unlocked(lock);
    settings = options_.settings(static_cast<GstClockTime>(std::max<int64_t>(time, 0)));
  }
  // Anything may have been flushed meanwhile.
  if (stopping_ || epoch != epoch_) return true;
  group = next_window();
  if (!group) return true;
  flight_->next_seen = true;
  Job job;
  job.group = group->share_frames();
  if (context_ == AudioContext::kSliding) {
    const AudioRange needed = options_.worker->needed_audio(job.group.times());
    job.audio = input_.audio.slice(needed.begin, needed.end);
    job.audio_start = needed.begin;
  }
  if (!apply_silence(settings, job)) return true;
  group->prepared =
      options_.worker->prepare({std::move(job.group), render_settings(settings, options_.seed),
                                std::move(job.audio), job.audio_start, std::move(job.at_rest)});
  GST_DEBUG_OBJECT(element_, "the window from stream time %" GST_STIME_FORMAT " is prepared: %s",
                   GST_STIME_ARGS(time), group->prepared != 0 ? "begun" : "not possible");
  return true;
}

}  // namespace latentsync
