#pragma once

#include "core/nn/unet3d.h"
#include "examples/train/audio_store.h"
#include "examples/train/latent_pool.h"
#include "examples/train/mouth_reader.h"

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::train {

struct PreviewOptions {
  int64_t steps = 0;  ///< of sampling, at least 1
  double guidance = 1.5;
  int64_t frames = 48;
  int64_t window = 16;
  int64_t seed = 1247;
};

/// FACE speaking DRIVER's sound.
struct Preview {
  at::Tensor sheet;     ///< uint8 [H, W, 3]: driver, original, generated
  double driver_r = 0;  ///< of the opening that READER sees with the driver's, best lag within 3
  double face_r = 0;    ///< with the face's own
  double movement = 0;  ///< the opening's deviation over that of the driver's
  double psnr = 0;      ///< of the generated part against the face's own, decibels
};

Preview make_preview(const Dataset& dataset, const Clip& face, const Clip& driver, nn::UNet3D& unet,
                     audio::WhisperEncoder& encoder, MouthReader& reader, ImageCoder& coder,
                     const PreviewOptions& options);

/// Pictures below each other, uint8 [*, W, 3] of one width.
at::Tensor stacked(const std::vector<at::Tensor>& pictures);

}  // namespace latentsync::train
