#include "core/lipsync/session.h"

#include "core/face/image_sampler.h"
#include "core/lipsync/device.h"
#include "core/lipsync/failure.h"
#include "core/lipsync/render_settings.h"
#include "core/lipsync/stage_timer.h"
#include "core/lipsync/window_editor.h"
#include "core/nn/interruption.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <c10/core/InferenceMode.h>

namespace latentsync::lipsync {
namespace {

// Of a window's work, roughly.
constexpr double kFacePart = 0.03;
constexpr double kPasteBegins = 0.99;
constexpr int64_t kLoneFieldNs = 20'000'000;

using Audio = std::variant<audio::SlidingAudio, audio::WholeAudio>;

Audio make_audio(const std::shared_ptr<audio::WhisperEncoder>& encoder, AudioContext context,
                 int64_t lookahead_ns) {
  if (context == AudioContext::kWhole) return audio::WholeAudio(encoder);
  return audio::SlidingAudio(encoder, lookahead_ns);
}

template <typename T>
T value_of(Result<T> result) {
  if (!result) raise(result.failure());
  return std::move(*result);
}

void check_window(const Window& window, const ModelInfo& info) {
  const auto most = static_cast<size_t>(info.most_window_frames);
  const size_t count = window.frames != nullptr ? window.frames->count() : 0;
  if (count >= 1 && count <= most) return;
  throw Error(ErrorCode::kInvalidArgument, "A window of " + std::to_string(count) +
                                               " frames cannot be rendered: set window-frames "
                                               "from 1 to " +
                                               std::to_string(most) + ".");
}

std::vector<int64_t> times_of(const WindowFrames& frames) {
  std::vector<int64_t> times(frames.count());
  for (size_t i = 0; i < times.size(); ++i) times[i] = frames.time_ns(i);
  return times;
}

// When the second fields of frames are shown: half-way to the next frame, but no more than MOST
// after the first ones.
std::vector<int64_t> later_times(std::span<const int64_t> times, int64_t most) {
  int64_t half = kLoneFieldNs;
  std::vector<int64_t> later;
  for (size_t i = 0; i < times.size(); ++i) {
    if (i + 1 < times.size()) half = (times[i + 1] - times[i]) / 2;
    later.push_back(times[i] + std::min(half, most));
  }
  return later;
}

}  // namespace

LipsyncSession::LipsyncSession(std::shared_ptr<LoadedModel> model, AudioContext context,
                               int64_t lookahead_ns)
    : model_(std::move(model)),
      lookahead_ns_(lookahead_ns),
      audio_(make_audio(model_->networks().whisper, context, lookahead_ns)) {}

AudioRange LipsyncSession::needed_audio(std::span<const int64_t> times_ns) const noexcept {
  const auto* sliding = std::get_if<audio::SlidingAudio>(&audio_);
  if (sliding == nullptr || times_ns.empty()) return {};
  try {
    const auto range = sliding->needed(times_ns);
    return {range.begin, range.end};
  } catch (...) {
    return {};
  }
}

audio::WholeAudio& LipsyncSession::whole_audio() {
  auto* whole = std::get_if<audio::WholeAudio>(&audio_);
  if (whole == nullptr) {
    throw Error(ErrorCode::kInvalidArgument,
                "Audio is appended to sessions of audio-context=whole only; this one takes it with "
                "each window.");
  }
  return *whole;
}

std::optional<Failure> LipsyncSession::append_audio(std::span<const float> samples) noexcept {
  try {
    const c10::InferenceMode inference;
    whole_audio().append(samples);
    return std::nullopt;
  } catch (...) {
    return current_failure();
  }
}

std::optional<Failure> LipsyncSession::finish_audio() noexcept {
  try {
    const c10::InferenceMode inference;
    whole_audio().finish();
    return std::nullopt;
  } catch (...) {
    return current_failure();
  }
}

Result<WindowResult> LipsyncSession::render(const Window& window, const RenderSettings& settings,
                                            std::stop_token stop,
                                            const RenderProgressCallback& progress) noexcept {
  const auto shortages = memory_shortages();
  auto result = guarded([&] { return render_window(window, settings, stop, progress); });
  if (result) return result;
  Failure failure = result.failure();
  if (memory_shortages() > shortages && may_hide_memory(failure.detail)) {
    failure.code = ErrorCode::kOutOfMemory;
  }
  return rendering_failure(std::move(failure), settings);
}

WindowResult LipsyncSession::render_window(const Window& window, const RenderSettings& settings,
                                           const std::stop_token& stop,
                                           const RenderProgressCallback& progress) {
  const auto& networks = model_->networks();
  check_window(window, networks.info);
  const auto resolved = resolve_settings(settings, networks.info);
  const auto turn = model_->turn().take(stop);
  check_stop(stop);
  const c10::InferenceMode inference;

  std::vector<kernels::ImageView> views;
  for (size_t i = 0; i < window.frames->count(); ++i) {
    views.push_back(value_of(window.frames->readable(i)));
  }
  WindowResult result;
  auto follow = window.discontinuity ? face::FollowState{} : follow_;
  const auto faces = timed(result.seconds.face, networks.device,
                           [&] { return find_faces(views, resolved, follow, stop); });
  for (const auto& frame : faces) result.frames.push_back(frame_result(frame));
  const auto sequences = split_fields(make_sequences(faces, resolved.resolution), views);
  if (progress) progress({.part = kFacePart, .stage = "face"});

  if (!sequences.empty()) {
    const auto& mask = mask_of(resolved.resolution);
    check_stop(stop);
    const auto audio = timed(result.seconds.audio, networks.device, [&] {
      const nn::Interruptible interruptible(stop);
      return audio_features(window, has_fields(views));
    });
    const EditContext context{.networks = networks,
                              .settings = resolved,
                              .mask = mask,
                              .stop = stop,
                              .progress =
                                  [&](RenderProgress done) {
                                    if (!progress) return;
                                    done.part = kFacePart + (kPasteBegins - kFacePart) * done.part;
                                    progress(done);
                                  },
                              .seconds = result.seconds};
    const auto edited = edit_faces(context, sequences, views, audio);
    // Frames are the last that changes: what can fail comes before the first one is written to.
    auto pasting = timed(result.seconds.paste, c10::kCPU,
                         [&] { return Pasting(sequences, edited, mask, views); });
    check_stop(stop);
    timed(result.seconds.paste, c10::kCPU, [&] {
      pasting.write(*window.frames);
      return true;
    });
  }
  if (progress) progress({.part = 1, .stage = "paste"});
  follow_ = std::move(follow);
  return result;
}

std::vector<face::FrameFaces> LipsyncSession::find_faces(std::span<const kernels::ImageView> views,
                                                         const RenderSettings& settings,
                                                         face::FollowState& state,
                                                         const std::stop_token& stop) const {
  const auto& networks = model_->networks();
  std::vector<face::ImageSampler> samplers;
  samplers.reserve(views.size());
  for (const auto& view : views) samplers.emplace_back(view, networks.device);
  std::vector<const face::FrameSampler*> frames;
  for (const auto& sampler : samplers) frames.push_back(&sampler);
  return networks.faces->follow(frames,
                                {.select = settings.face_select,
                                 .nearest_x = settings.nearest_x,
                                 .nearest_y = settings.nearest_y,
                                 .resolution = settings.resolution},
                                state, stop);
}

at::Tensor LipsyncSession::audio_features(const Window& window, bool fields) {
  auto times = times_of(*window.frames);
  auto* whole = std::get_if<audio::WholeAudio>(&audio_);
  int64_t beyond = 0;  // the last frame
  if (fields) {
    // The window has the audio that its frames look ahead at: fields after them look less far.
    const auto most = whole != nullptr ? std::numeric_limits<int64_t>::max()
                                       : lookahead_ns_ - audio::kShortestLookaheadNs;
    const auto later = later_times(times, most);
    beyond = later.back() - times.back();
    times.insert(times.end(), later.begin(), later.end());
  }
  if (whole != nullptr) return whole->features(times);
  if (beyond == 0) {
    return std::get<audio::SlidingAudio>(audio_).features(window.audio, window.audio_start, times);
  }
  audio::SlidingAudio sliding(model_->networks().whisper, lookahead_ns_ - beyond);
  return sliding.features(window.audio, window.audio_start, times);
}

const FaceMask& LipsyncSession::mask_of(int64_t resolution) {
  if (mask_.resolution != resolution) {
    mask_ = FaceMask::make(resolution, model_->networks().device);
  }
  return mask_;
}

}  // namespace latentsync::lipsync
