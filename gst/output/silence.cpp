#include "gst/debug.h"
#include "gst/output/source.h"

#include <algorithm>

/// The property silence: what frames get that have nothing to say.
namespace latentsync {

/// JOB has its frames and audio. False where none of its frames is to be edited.
bool Source::apply_silence(const Settings& settings, Job& job) {
  if (job.new_session) levels_ = AudioLevels(job.audio, 0);
  if (settings.silence == Silence::kRender) return true;
  if (context_ == AudioContext::kSliding) levels_ = AudioLevels(job.audio, job.audio_start);
  const auto times = job.group.times();
  if (settings.silence == Silence::kRest) {
    job.at_rest = quiet_frames(levels_, times, settings.silence_threshold);
    return true;
  }
  const auto frame_ns = static_cast<int64_t>(input_.video.frame_duration());
  job.weights = quiet_weights(levels_, times, frame_ns, settings.silence_threshold);
  const auto [least, most] = std::minmax_element(job.weights.begin(), job.weights.end());
  const bool any = *most > 0;
  if (*least >= 1) job.weights.clear();
  return any;
}

}  // namespace latentsync
