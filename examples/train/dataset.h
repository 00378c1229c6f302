#pragma once

#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::train {

/// What a clip is for.
enum class Part {
  kTrain,
  kValidation,  ///< of the speaker who is left out
  kDriver,      ///< sentences that are left out, of a speaker who is not
  kUnseen,      ///< footage from elsewhere; only measured with
};

/// One clip as `prepare.py unpack` leaves it; the tensors are views of a mapped file.
struct Clip {
  static constexpr int64_t kMouthValues = 9;
  static constexpr int64_t kSamplesPerFrame = 640;

  std::string name;
  std::string speaker;
  Part part = Part::kTrain;
  at::Tensor crops;  ///< uint8 [T, edge + 2 margin, edge + 2 margin, 3], 25 frames a second
  at::Tensor lips;   ///< float32 [T, points, 2] (x, y), pixels of crops
  at::Tensor mouth;  ///< float32 [T, kMouthValues], about the speaker's mean; the opening first
  at::Tensor sound;  ///< float32 [samples], 16 kHz, full scale 1
  at::Tensor whole;  ///< uint8 [T, H, W, 3], the frames the crops are of; often undefined

  int64_t frames() const { return crops.size(0); }
};

struct Dataset {
  int64_t edge = 0;    ///< of a crop, pixels
  int64_t margin = 0;  ///< around it, for augmentation
  std::vector<Clip> clips;

  std::vector<const Clip*> of(Part part) const;
};

/// The clip begun at FRAME: what was before it comes at the end. Sound and mouth only.
Clip rotated(const Clip& clip, int64_t frame);

/// Errors: those of model::open_tensor_file; kDamagedFile where shapes or the manifest are wrong.
Dataset read_dataset(const std::filesystem::path& folder);

using Random = std::mt19937_64;

double uniform(Random& random, double low, double high);

/// Draws clips so that a speaker with many clips does not drown the others: each speaker's share
/// goes with a power of the number of clips. Pictures of many clips of one face teach little more
/// than those of a few; sentences all differ.
class ClipSampler {
 public:
  static constexpr double kForFaces = 0.25, kForVoices = 0.7;

  /// EXPONENT: 0: speakers alike, 1: clips alike. CLIPS must outlive this object. Errors:
  /// kInvalidArgument for none.
  ClipSampler(const std::vector<const Clip*>& clips, double exponent);
  const Clip& draw(Random& random) const;  ///< by any number of threads at once

 private:
  std::vector<std::vector<const Clip*>> speakers_;
  std::discrete_distribution<size_t>::param_type shares_;
};

}  // namespace latentsync::train
