#include "gst/latentsync_private.h"
#include "gst/timeline.h"
#include "gst/upstream.h"

#include <chrono>

/// Pads that wait for each other: who is told, and how the stream goes on.
namespace latentsync {
namespace {

using std::chrono::steady_clock;

/// How long a pad waits for what does not come to the other one before something is done about it.
constexpr auto kPatience = std::chrono::seconds(2);
/// The same once it is known that the audio waits for this video.
constexpr auto kPatienceAgain = std::chrono::milliseconds(100);

/// The window that waits for audio which cannot come: as it is where all of its frames can be
/// heard, else its frames leave as they came.
GstFlowReturn go_on_without_audio(GstLatentsync* self) {
  State& state = self->element->state;
  warn_once(self, "audio-held-back",
            "The audio is held back by something that waits for this very video, an encoder or a "
            "muxer: frames leave unedited. Put a queue without limits (max-size-time=0 "
            "max-size-bytes=0 max-size-buffers=0) into every branch of the audio's tee.");
  std::optional<FrameGroup> group;
  uint64_t flushes;
  bool heard;
  {
    std::lock_guard lock(state.mutex);
    flushes = state.video_flushes;
    const FrameGroup* oldest = state.frames.complete();
    if (!oldest) return GST_FLOW_OK;
    heard = state.audio.covers(
        sample_index(oldest->times().back() + static_cast<int64_t>(kLeastLookahead)));
    if (!heard) group = state.frames.take();
  }
  if (heard) {
    submit(self, true);
    return GST_FLOW_OK;
  }
  {
    std::lock_guard lock(self->element->statistics_mutex);
    self->element->statistics.frames_passed += group->frames;
  }
  return send_group(self, std::move(*group), flushes);
}

/// Whole audio does not come, because the video before it cannot be taken: on as sliding.
void give_up_whole_audio(GstLatentsync* self) {
  self->element->state.context = AudioContext::kSliding;
  self->element->worker->reopen(AudioContext::kSliding);
  warn_once(self, "whole-audio",
            "The whole audio was asked for, but none came for 2 s while the video had to wait: "
            "going on with audio-context=sliding. Put a queue without limits before audio_sink "
            "and video_sink, or read the audio from a source of its own.");
}

}  // namespace

bool watch_pads(GstLatentsync* self, const PadsState& pads, GstFlowReturn* flow) {
  State& state = self->element->state;
  const bool video_waits = pads.video_ended || (pads.video_there && !pads.video_wanted);
  const bool stuck = video_waits && !pads.audio_there && !pads.audio_ended &&
                     !state.whole_audio_given && self->element->worker->idle();
  const auto now = steady_clock::now();
  if (!stuck) {
    state.alarm.reset();
    return false;
  }
  if (!state.alarm || state.arrivals_at_alarm != state.audio_arrivals) {
    state.alarm = now + (state.audio_held_back ? kPatienceAgain : kPatience);
    state.arrivals_at_alarm = state.audio_arrivals;
    self->element->worker->set_alarm(state.alarm);
    return false;
  }
  if (now < *state.alarm) return false;
  state.alarm.reset();
  if (state.context == AudioContext::kWhole) {
    give_up_whole_audio(self);
    return true;
  }
  state.audio_held_back = !state.live && is_held_back(GST_PAD(self->audio));
  if (!state.audio_held_back) {
    warn_once(self, "audio",
              "No audio has come for 2 s, and the video waits for it: look at what feeds "
              "audio_sink.");
    return false;
  }
  *flow = go_on_without_audio(self);
  return true;
}

}  // namespace latentsync
