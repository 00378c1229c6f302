#pragma once

#include "core/audio/whole_audio.h"
#include "core/lipsync/model.h"
#include "core/lipsync/renderer.h"

#include <memory>
#include <variant>
#include <vector>

namespace latentsync::lipsync {

/// A stream of a model (core/engine.h).
class LipsyncSession : public Session {
 public:
  LipsyncSession(std::shared_ptr<LoadedModel> model, AudioContext context, int64_t lookahead_ns);

  AudioRange needed_audio(std::span<const int64_t> times_ns) const noexcept override;
  std::optional<Failure> append_audio(std::span<const float> samples) noexcept override;
  std::optional<Failure> finish_audio() noexcept override;
  Result<WindowResult> render(const Window& window, const RenderSettings& settings,
                              std::stop_token stop,
                              const RenderProgressCallback& progress) noexcept override;
  MemoryPlan memory_plan() const override { return {}; }

 private:
  WindowResult render_window(const Window& window, const RenderSettings& settings,
                             const std::stop_token& stop, const RenderProgressCallback& progress);
  std::vector<face::FrameFaces> find_faces(std::span<const kernels::ImageView> views,
                                           const RenderSettings& settings, face::FollowState& state,
                                           const std::stop_token& stop) const;
  /// For the frames, and with FIELDS behind them for the fields that are shown second.
  at::Tensor audio_features(const Window& window, bool fields);
  const FaceMask& mask_of(int64_t resolution);
  audio::WholeAudio& whole_audio();

  std::shared_ptr<LoadedModel> model_;
  int64_t lookahead_ns_;
  std::variant<audio::SlidingAudio, audio::WholeAudio> audio_;
  face::FollowState follow_;
  FaceMask mask_;
};

}  // namespace latentsync::lipsync
