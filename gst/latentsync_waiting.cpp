#include "gst/latentsync_private.h"
#include "gst/timeline.h"
#include "gst/upstream.h"

#include <chrono>

/// Pads that wait for each other: who is told, and how the stream goes on.
namespace latentsync {
namespace {

using std::chrono::steady_clock;

/// As kPatience, once it is known that the audio waits for this video.
constexpr std::chrono::milliseconds kPatienceAgain{100};

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

/// Audio that cannot be taken, and a video that does not come: taken all the same, since what feeds
/// both pads from one thread would never get to the next frame. Far ahead of the video the audio
/// that was heard first is forgotten for it. False where the video alone is late.
bool go_on_without_video(GstLatentsync* self) {
  State& state = self->element->state;
  {
    std::lock_guard lock(state.mutex);
    if (state.audio_ahead < kMostAudioAhead) {
      state.audio_ahead = kMostAudioAhead;
      return true;
    }
  }
  if (!have_one_thread(GST_PAD(self->audio), GST_PAD(self->video))) {
    warn_once(self, "video",
              "No video has come for 2 s, and the audio is 10 minutes ahead of it: look at what "
              "feeds video_sink.");
    return false;
  }
  warn_once(self, "video-pause",
            "The audio is 10 minutes ahead of the video that comes from the same source: it is "
            "dropped until the next frame.");
  std::lock_guard lock(state.mutex);
  // As if a gap had been told: a frame that comes next lies where the source reads.
  state.frames.cut();
  state.video_end_ns = sample_time(state.audio.end() - kAudioAhead);
  return true;
}

enum class Waiting { kForNothing, kForAudio, kForVideo };

Waiting what_for(GstLatentsync* self, const PadsState& pads) {
  const State& state = self->element->state;
  const bool video_waits = pads.video_ended || (pads.video_there && !pads.video_wanted);
  const bool audio_waits = pads.audio_there && !pads.audio_wanted;
  if (video_waits && !pads.audio_there && !pads.audio_ended && !state.whole_audio_given &&
      self->element->worker->idle()) {
    return Waiting::kForAudio;
  }
  const bool needs_video = pads.video_wanted && !pads.video_there && !pads.video_ended;
  return audio_waits && needs_video && !state.live ? Waiting::kForVideo : Waiting::kForNothing;
}

/// False, to be looked at again when LIMIT is over.
bool look_later(GstLatentsync* self, std::chrono::milliseconds limit) {
  State& state = self->element->state;
  state.alarm = steady_clock::now() + limit;
  state.arrivals_at_alarm = state.arrivals;
  self->element->worker->set_alarm(state.alarm);
  return false;
}

}  // namespace

bool waits_for_flush(GstLatentsync* self, const PadsState& pads) {
  State& state = self->element->state;
  std::lock_guard lock(state.mutex);
  if (state.audio_flush.goes_on) return !is_common_flush(state);
  if (!state.video_flush_due) return false;
  const bool audio_ended = pads.audio_ended && pads.audio_flushes == state.audio_flushes;
  if (audio_ended || steady_clock::now() >= *state.video_flush_due) return false;
  state.alarm.reset();
  self->element->worker->set_alarm(state.video_flush_due);
  return true;
}

void give_up_whole_audio(GstLatentsync* self, const std::string& why) {
  self->element->state.context = AudioContext::kSliding;
  self->element->worker->reopen(AudioContext::kSliding);
  self->element->state.alarm.reset();
  warn_once(self, "whole-audio", why);
}

bool watch_pads(GstLatentsync* self, const PadsState& pads, GstFlowReturn* flow) {
  State& state = self->element->state;
  const Waiting waiting = what_for(self, pads);
  if (waiting == Waiting::kForNothing) {
    state.alarm.reset();
    return false;
  }
  if (!state.alarm || state.arrivals_at_alarm != state.arrivals) {
    return look_later(self, state.audio_held_back ? kPatienceAgain : kPatience);
  }
  if (steady_clock::now() < *state.alarm) return false;
  state.alarm.reset();
  if (waiting == Waiting::kForVideo) {
    return go_on_without_video(self) || look_later(self, kPatience);
  }
  if (state.context == AudioContext::kWhole) {
    give_up_whole_audio(self,
                        "The whole audio was asked for, but none came for 2 s while the video had "
                        "to wait: going on with audio-context=sliding. Put a queue without limits "
                        "before audio_sink and video_sink, or read the audio from a source of its "
                        "own.");
    return true;
  }
  state.audio_held_back = !state.live && is_held_back(GST_PAD(self->audio));
  if (!state.audio_held_back) {
    warn_once(self, "audio",
              "No audio has come for 2 s, and the video waits for it: look at what feeds "
              "audio_sink.");
    return look_later(self, kPatience);
  }
  *flow = go_on_without_audio(self);
  return true;
}

}  // namespace latentsync
