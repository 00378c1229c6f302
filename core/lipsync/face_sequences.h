#pragma once

#include "core/engine.h"
#include "core/face/follow.h"
#include "kernels/image/affine.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace latentsync::lipsync {

/// A face in one frame of the window, to be edited.
struct PlacedFace {
  size_t frame = 0;
  kernels::Affine crop_to_frame;
  double weight = 1;  ///< of the edit, above 0 to 1
};

/// One face over the frames of the window that it is in, ascending: what is denoised together.
struct FaceSequence {
  std::vector<PlacedFace> faces;
};

/// From the network's crop of RESOLUTION pixels to the frame, given the alignment's matrix.
kernels::Affine crop_map(const face::AffineMatrix& frame_to_aligned, int64_t resolution);

/// A sequence for each identity that has weight in any frame, in the order of their first frames;
/// faces without weight are in none.
std::vector<FaceSequence> make_sequences(std::span<const face::FrameFaces> frames,
                                         int64_t resolution);

/// What becomes of a frame.
FrameResult frame_result(const face::FrameFaces& faces);

}  // namespace latentsync::lipsync
