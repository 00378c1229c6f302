#include "gst/debug.h"
#include "gst/input/timeline.h"
#include "gst/output/source.h"
#include "gst/output/topology.h"

#include <utility>

/// Pads that wait for each other, what is posted about it, and how the stream goes on.
namespace latentsync {
namespace {

using std::chrono::steady_clock;

/// As kPatience, once the graph is known to starve itself.
constexpr std::chrono::milliseconds kPatienceAgain{100};

}  // namespace

const GstPad* Source::unlinked() const {
  for (GstPad* pad : {pads_.video, pads_.audio}) {
    if (!gst_pad_is_linked(pad)) return pad;
  }
  return nullptr;
}

Source::Need Source::need() const {
  if (ended_ || seeking_) return Need::kNothing;
  if (unlinked()) return Need::kLink;
  // A live pipeline in PAUSED gets nothing.
  if (timing_.live() && !timing_.clock()) return Need::kNothing;
  if (flight_ || !leaving_.empty() || !options_.worker->idle()) return Need::kNothing;
  if (const FrameGroup* group = input_.video.complete()) {
    const bool there =
        input_.audio.ended() && !input_.audio.awaits_segment(group->frame(0).segment_ns);
    return there ? Need::kNothing : Need::kAudio;
  }
  if (timing_.live() || input_.video.ended()) return Need::kNothing;
  const bool any = input_.video.frames() > 0 || input_.audio.arrived();
  return any ? Need::kVideo : Need::kNothing;
}

bool Source::look_later(std::chrono::milliseconds limit) {
  patience_ = steady_clock::now() + limit;
  arrivals_ = input_.arrivals;
  return false;
}

void Source::give_up_whole(Lock& lock, const char* why) {
  GST_DEBUG_OBJECT(element_, "going on with sliding audio");
  context_ = AudioContext::kSliding;
  input_.audio.give_up_whole();
  reopen_ = true;
  patience_.reset();
  Unlocked unlocked(lock);
  reporter_.warn_once(Topic::kGraph, "whole-audio", why);
}

/// Audio that is not taken, and video that does not arrive: more is taken, since what feeds both
/// pads from one thread would never get to the next frame. Far ahead of the video the oldest audio
/// is dropped for it.
bool Source::go_on_without_video(Lock& lock) {
  if (input_.audio.raise_limit()) {
    GST_DEBUG_OBJECT(element_, "no video arrives: audio is taken in up to 10 minutes ahead");
    monitor_->notify();
    return true;
  }
  bool common;
  const uint64_t epoch = epoch_;
  {
    Unlocked unlocked(lock);
    common = have_common_source(pads_.audio, pads_.video);
    if (common) {
      reporter_.warn_once(Topic::kGraph, "video-pause",
                          "The audio is 10 minutes ahead of the video that comes from the same "
                          "source: it is dropped until the next frame.");
    } else {
      reporter_.warn_once(Topic::kGraph, "video",
                          "No video has arrived at video_sink for 2 s, and the audio is 10 minutes "
                          "ahead of it: check what feeds video_sink.");
    }
  }
  look_later(kPatience);
  if (common && epoch == epoch_) {
    input_.video.cut();
    input_.audio.skip();
    monitor_->notify();
  }
  return true;
}

/// Nothing arrives. Where another branch of the graph is full, which waits for what this element
/// outputs, nothing ever would: frames go on as they are.
bool Source::go_on_starving(Lock& lock, Need need) {
  const bool audio = need == Need::kAudio;
  const uint64_t epoch = epoch_;
  std::optional<Blockage> found;
  // Live frames leave at their deadlines.
  const bool live = timing_.live();
  {
    Unlocked unlocked(lock);
    if (!live) found = find_blockage(audio ? pads_.audio : pads_.video);
    if (!live && !found) found = find_blockage(audio ? pads_.video : pads_.audio);
    if (found) {
      reporter_.warn_once(
          Topic::kGraph, "starving",
          "The graph waits for itself: the queue " + found->queue + " in another branch of " +
              found->branching + " is full, so that nothing arrives at " +
              (audio ? "audio_sink" : "video_sink") +
              " before frames are output. They pass through unedited. Set max-size-time=0 "
              "max-size-bytes=0 max-size-buffers=0 on " +
              found->queue + ".",
          {},
          gst_structure_new("latentsync-details", "branching", G_TYPE_STRING,
                            found->branching.c_str(), "queue", G_TYPE_STRING, found->queue.c_str(),
                            nullptr));
    } else if (audio) {
      reporter_.warn_once(Topic::kGraph, "audio",
                          "No audio has arrived at audio_sink for 2 s, and the video waits for it: "
                          "check what feeds audio_sink.");
    }
  }
  starving_ = found.has_value();
  if (!found || epoch != epoch_) {
    look_later(kPatience);
    return true;
  }
  if (!audio) input_.video.close();
  FrameGroup* group = input_.video.complete();
  if (!group) return true;
  const int64_t last = input_.audio.place(group->frame(group->frames - 1).running_ns);
  const int64_t least = sample_index(last + static_cast<int64_t>(kLeastLookahead));
  const bool heard = audio && input_.audio.covers(least);
  GST_DEBUG_OBJECT(element_, "starving: %d frames %s", group->frames,
                   heard ? "are rendered without look-ahead" : "pass unedited");
  if (heard) begin_window(lock, true);
  if (!heard) leave(input_.video.take(), false);
  return true;
}

bool Source::watch(Lock& lock) {
  const Need what = need();
  if (what == Need::kNothing) {
    patience_.reset();
    return false;
  }
  if (!patience_ || arrivals_ != input_.arrivals) {
    return look_later(starving_ ? kPatienceAgain : kPatience);
  }
  if (steady_clock::now() < *patience_) return false;
  patience_.reset();
  if (what == Need::kLink) {
    const GstPad* pad = unlinked();
    look_later(kPatience);
    if (!pad) return true;
    Unlocked unlocked(lock);
    const std::string name = pad == pads_.video ? "video_sink" : "audio_sink";
    reporter_.warn_once(Topic::kPads, "unlinked",
                        name + " is not linked: nothing is output before it is. Link it.");
    return true;
  }
  if (what == Need::kAudio && input_.audio.known()) {
    GST_DEBUG_OBJECT(element_, "no segment of the audio arrives: going on with the last one");
    input_.audio.stop_awaiting();
    return true;
  }
  if (what == Need::kAudio && context_ == AudioContext::kWhole) {
    give_up_whole(lock,
                  "The whole audio was asked for, but none arrived for 2 s while the video had to "
                  "wait: going on with audio-context=sliding. Put a queue without limits before "
                  "audio_sink and video_sink, or read the audio from a source of its own.");
    return true;
  }
  if (what == Need::kVideo && !input_.audio.has_room(input_.video.end_ns())) {
    return go_on_without_video(lock);
  }
  return go_on_starving(lock, what);
}

}  // namespace latentsync
