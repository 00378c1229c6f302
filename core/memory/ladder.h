#pragma once

#include "core/engine.h"

#include <cstdint>
#include <vector>

/// In which order a window is made to need less memory.
namespace latentsync::memory {

/// Networks and blocks of networks that wait in host memory have not run on a GPU yet: their rungs
/// are left out until docs/gpu-queue.md's row has been done.
inline constexpr bool kMovesWeights = false;

struct LadderRequest {
  RenderSettings settings;  ///< resolved, but vae_batch as the caller has it: 0 is the engine's own
  MemorySettings memory;
  int64_t window_frames = 16;
  int64_t most_vae_batch = 16;  ///< frames that the VAE can take at once
  bool cuda = false;
  bool full_vae = true;
  bool moves_weights = kMovesWeights;
};

/// The rungs that the settings allow, each with the measures of the one before and one more:
///
/// | rung                 | measure                                   | allowed                 |
/// | -------------------- | ----------------------------------------- | ----------------------- |
/// | whole                | none                                      | always                  |
/// | vae-batch-8, 4, 2, 1 | VAE in fewer frames                       | batch-size 0            |
/// | vae-tiles            | VAE in tiles                              | full VAE                |
/// | feed-forward-chunks  | feed-forwards in four parts               | always                  |
/// | attention-slices     | standard attention's scores in slices     | attention-mode=standard |
/// | host-networks        | idle networks in host memory              | CUDA; *                 |
/// | streamed-unet        | the UNet's blocks from host memory        | CUDA; *                 |
/// | two-passes           | guidance's halves one after the other     | guidance                |
/// | window-12, window-8  | fewer frames denoised together            | *                       |
///
/// *: not with optimization-level=conservative, which keeps to measures that change the result by
/// no more than rounding and leave the weights where they are. balanced takes each measure when the
/// ones before do not suffice. aggressive has feed-forwards in parts from the first rung on.
///
/// The first rung's VAE takes batch-size frames at once, else by memory-mode, but no more than the
/// window has: conservative as many as have the pixels of one at 512 x 512, balanced of four,
/// aggressive all.
std::vector<Rung> make_ladder(const LadderRequest& request);

}  // namespace latentsync::memory
