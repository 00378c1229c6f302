#pragma once

#include "core/engine.h"
#include "kernels/image/image_view.h"

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

namespace latentsync::train {

/// Frame FRAME of uint8 [T, H, W, 3], full range, which must be contiguous and outlive the view.
kernels::ImageView view_of(const at::Tensor& frames, int64_t frame);

/// Clips through the engine, as a user's go.
class ClipRenderer {
 public:
  /// Loads a model. Errors: Error of the engine's failure.
  explicit ClipRenderer(const ModelSettings& settings);

  /// frames: uint8 [T, H, W, 3], 25 a second; sound: float32 [samples], 16 kHz, all of it known
  /// before the first window -> the edited frames.
  at::Tensor render(const at::Tensor& frames, const at::Tensor& sound,
                    const RenderSettings& settings);

  /// The settings with what the model itself says filled in.
  RenderSettings resolved(const RenderSettings& settings) const;
  const ModelInfo& info() const { return model_->info(); }
  /// Wall-clock seconds and frames of all renders so far.
  double seconds() const { return seconds_; }
  int64_t frames() const { return frames_; }

 private:
  std::shared_ptr<Model> model_;
  double seconds_ = 0;
  int64_t frames_ = 0;
};

}  // namespace latentsync::train
