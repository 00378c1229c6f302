#pragma once

#include "core/nn/taesd.h"
#include "examples/train/augment.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace latentsync::train {

/// TAESD, ready to run, and the mask of the part that is generated.
class ImageCoder {
 public:
  /// folder: holds taesd_encoder.safetensors and taesd_decoder.safetensors. EDGE: of the crops.
  ImageCoder(const std::filesystem::path& folder, int64_t edge, c10::Device device);

  /// [N, 3, edge, edge] in [-1, 1] -> float32 [N, 4, edge / 8, edge / 8]; and back.
  at::Tensor encode(const at::Tensor& images);
  at::Tensor decode(const at::Tensor& latents);

  const at::Tensor& mask() const { return mask_; }                ///< [edge, edge], 1: kept
  const at::Tensor& latent_mask() const { return latent_mask_; }  ///< [edge / 8, edge / 8]

 private:
  std::shared_ptr<nn::Taesd> network_;
  c10::ScalarType dtype_;
  at::Tensor mask_, latent_mask_;
};

/// Frames of a training batch.
struct LatentFrames {
  at::Tensor plain;   ///< float32 [N, 4, h, w]
  at::Tensor masked;  ///< the same with the mask's grey in the images
  at::Tensor lips;    ///< float32 [N, 4] as augmented_lips() has them
};

/// Encoded clips in memory: slots that each hold one clip with one augmentation, or a part of a
/// long clip. Filled by draws that even out the speakers, so every slot counts alike; a slot can be
/// filled anew at any time.
class LatentPool {
 public:
  static constexpr int64_t kMostFrames = 128;  ///< of a clip, in one slot

  struct Slot {
    const Clip* clip = nullptr;
    int64_t first = 0;  ///< frame of the clip
    int64_t frames = 0;
    bool mirrored = false;
  };

  LatentPool(const Dataset& dataset, ImageCoder& coder, int64_t slots, c10::Device device);

  /// Encodes one more clip: into the next empty slot, then in place of the oldest.
  void refresh(Random& random, Strength strength);
  bool full() const { return filled_ == static_cast<int64_t>(slots_.size()); }

  const Slot& draw(Random& random, int64_t& number) const;
  /// slot, frame: of the same length N, on the CPU; frames count from the slot's first one.
  LatentFrames take(const std::vector<int64_t>& slot, const std::vector<int64_t>& frame) const;
  const Slot& slot(int64_t number) const { return slots_[static_cast<size_t>(number)]; }
  int64_t filled() const { return filled_; }

 private:
  const Dataset& dataset_;
  ImageCoder& coder_;
  ClipSampler sampler_;
  c10::Device device_;
  std::vector<Slot> slots_;
  int64_t filled_ = 0, next_ = 0, stride_ = 0;
  at::Tensor plain_, masked_;  // float16 [slots * stride, 4, h, w]
  at::Tensor lips_;            // float32 [slots * stride, 4]
};

}  // namespace latentsync::train
