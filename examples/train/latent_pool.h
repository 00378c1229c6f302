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

  /// What to add to encode()'s latents for decode() to give the colours of IMAGES, whose own are a
  /// little off by as much all over a face. Smooth, one for all of them: float32
  /// [1, 4, edge / 8, edge / 8].
  at::Tensor colour_correction(const at::Tensor& images);

  const at::Tensor& mask() const { return mask_; }                ///< [edge, edge], 1: kept
  const at::Tensor& latent_mask() const { return latent_mask_; }  ///< [edge / 8, edge / 8]

 private:
  std::shared_ptr<nn::Taesd> network_;
  c10::ScalarType dtype_;
  at::Tensor mask_, latent_mask_;
};

/// Frames of a training batch.
struct LatentFrames {
  at::Tensor plain;   ///< float32 [N, 4, h, w], as at inference
  at::Tensor wanted;  ///< the same with the colour correction: what is to be generated
  at::Tensor masked;  ///< the same with the mask's grey in the images
  at::Tensor lips;    ///< float32 [N, 4] as augmented_lips() has them
};

/// Which frames of its clip a slot holds.
enum class Choice {
  kSpread,  ///< kSpreadFrames from all over the clip, in order
  kRuns,    ///< two runs of kRun frames, as far apart as chance and the clip let them be
};

/// The frames of a clip of MOST frames; kRuns: MOST at least 2 LatentPool::kRun.
std::vector<int64_t> choose_frames(int64_t most, Choice choice, Random& random);

/// Encoded frames in memory: slots of a few frames of one clip with one augmentation, because
/// frames of a clip are much alike and encoding them is what takes time. Filled by draws that even
/// out the speakers, so every slot counts alike; a slot can be filled anew at any time.
class LatentPool {
 public:
  static constexpr int64_t kRun = 16, kSpreadFrames = 8;

  struct Slot {
    const Clip* clip = nullptr;
    std::vector<int64_t> frames;  ///< of the clip
    Choice choice = Choice::kSpread;
    bool mirrored = false;
  };

  /// Errors: kInvalidArgument where no clip to train on has 2 kRun frames.
  LatentPool(const Dataset& dataset, ImageCoder& coder, int64_t slots, c10::Device device);

  /// Encodes some frames more: into the next empty slot, then in place of the oldest.
  /// Returns what it has filled.
  const Slot& refresh(Choice choice, Random& random);
  bool full() const { return filled_ == static_cast<int64_t>(slots_.size()); }

  const Slot& draw(Random& random, int64_t& number) const;
  /// slot, frame: of the same length N, on the CPU; frames are numbers among the slot's own.
  LatentFrames take(const std::vector<int64_t>& slot, const std::vector<int64_t>& frame) const;
  const Slot& slot(int64_t number) const { return slots_[static_cast<size_t>(number)]; }
  int64_t filled() const { return filled_; }
  int64_t count(Choice choice) const;

 private:
  const Dataset& dataset_;
  ImageCoder& coder_;
  ClipSampler sampler_;
  c10::Device device_;
  std::vector<Slot> slots_;
  int64_t filled_ = 0, next_ = 0;
  at::Tensor plain_, masked_;  // float16 [slots * 2 kRun, 4, h, w]
  at::Tensor correction_;      // float16 [slots, 4, h, w]
  at::Tensor lips_;            // float32 [slots * 2 kRun, 4]
};

}  // namespace latentsync::train
