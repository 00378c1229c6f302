#pragma once

#include <cstdint>
#include <string>
#include <vector>

/// How much of a device's memory the engine may take, and how a window is fitted into it: values
/// only, for the engine's callers as well as for core/memory. All sizes are bytes unless a comment
/// says MiB.
namespace latentsync {

enum class MemoryMode { kConservative, kBalanced, kAggressive };
enum class OptimizationLevel { kConservative, kBalanced, kAggressive };

/// The element's properties of the same names. docs/memory.md says what each of them allows.
struct MemorySettings {
  double vram_fraction = 0;  ///< of the device's memory, 0 to 0.95; 0: automatic
  int64_t vram_budget = 0;   ///< MiB; positive: the cap; negative: what is left free for others; 0:
                             ///< by vram_fraction
  MemoryMode memory_mode = MemoryMode::kBalanced;
  OptimizationLevel optimization_level = OptimizationLevel::kBalanced;

  bool operator==(const MemorySettings&) const = default;
};

/// One way to run a window. A plan's rungs follow each other by what they save: each keeps the
/// measures of the one before. Results of all rungs with the same window_frames are equal within
/// rounding (docs/memory.md says what each measure costs).
struct Rung {
  std::string name;                 ///< of its last measure: "whole", "vae-batch-4", "vae-tiles",
                                    ///< "feed-forward-chunks", "attention-slices", "host-networks",
                                    ///< "streamed-unet", "two-passes", "window-12", "window-8"
  int64_t vae_batch = 16;           ///< frames of the VAE at once, 1 and more
  int64_t vae_tile = 0;             ///< edge of the VAE's tiles, in pixels of the crop; 0: no tiles
  int64_t feed_forward_chunks = 1;  ///< parts that a feed-forward's rows are computed in
  int64_t score_bytes = 0;     ///< of scores that attention-mode=standard holds at once; 0: the
                               ///< engine's own limit
  bool host_networks = false;  ///< networks that a stage does not use lie in host memory
  bool streamed_unet = false;  ///< the UNet's blocks come from pinned host memory, one by one
  bool two_passes = false;     ///< guidance's two halves one after the other
  int64_t window_frames = 16;  ///< frames denoised together, at most

  bool operator==(const Rung&) const = default;
};

/// What a stage needs at its peak, beside the weights and the frames.
struct StageMemory {
  std::string stage;  ///< "face", "audio", "encode", "denoise", "decode", "paste"
  int64_t bytes = 0;
};

/// A rung with what it needs in all.
struct PlannedRung {
  Rung rung;
  int64_t weights = 0;     ///< that lie on the device
  int64_t workspaces = 0;  ///< of the libraries
  int64_t frames = 0;      ///< crops, latents and images of a window, between the stages
  std::vector<StageMemory> stages;
  int64_t peak = 0;  ///< weights, workspaces, frames and the largest stage, as the allocator rounds
};

struct MemoryPlan {
  std::string device;      ///< cpu, cuda:0
  std::string precision;   ///< float32, bfloat16, float16
  int64_t resolution = 0;  ///< that it was made for
  int64_t total = -1;      ///< memory of the device; -1: not known (it is not there)
  int64_t free = -1;   ///< of it, when the plan was made, what this process holds counted as free
  int64_t budget = 0;  ///< that the settings give
  std::vector<PlannedRung> ladder;  ///< those that the settings allow, in order; at least one
  int64_t chosen = -1;              ///< the first rung that fits; -1: none does
  std::string advice;  ///< where none fits, for people: what is needed, what there is, and the
                       ///< cheapest change of settings that would fit

  bool fits() const { return chosen >= 0; }
  /// The chosen one; where none fits, the last.
  const PlannedRung& rung() const {
    return chosen >= 0 ? ladder[static_cast<size_t>(chosen)] : ladder.back();
  }
};

}  // namespace latentsync
