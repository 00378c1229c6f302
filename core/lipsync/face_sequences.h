#pragma once

#include "core/engine.h"
#include "core/face/follow.h"
#include "kernels/image/affine.h"
#include "kernels/image/image_view.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace latentsync::lipsync {

/// A face in one frame of the window, to be edited.
struct PlacedFace {
  size_t frame = 0;
  kernels::Affine crop_to_frame;
  double weight = 1;                            ///< of the edit, above 0 to 1
  kernels::Field field = kernels::Field::kAll;  ///< of the frame
  bool later = false;                           ///< it is the field that is shown second
};

/// One face over the frames of the window that it is in, ascending: what is denoised together.
struct FaceSequence {
  std::vector<PlacedFace> faces;
};

/// From the network's crop of RESOLUTION pixels to the frame, given the alignment's matrix.
kernels::Affine crop_map(const face::AffineMatrix& frame_to_aligned, int64_t resolution);

/// A sequence for each identity, in the order of their first frames.
std::vector<FaceSequence> make_sequences(std::span<const face::FrameFaces> frames,
                                         int64_t resolution);

/// Sequences whose faces in interlaced frames are those of the field that is shown first, each
/// followed by one of the fields that are shown second, where it has any: the fields of a frame are
/// pictures of two times, with a face at one place. VIEWS are all frames of the window; those of
/// one or two rows count as progressive.
std::vector<FaceSequence> split_fields(std::vector<FaceSequence> sequences,
                                       std::span<const kernels::ImageView> views);

/// Whether frames of the window are interlaced, as split_fields() has it.
bool has_fields(std::span<const kernels::ImageView> views);

/// What becomes of a frame.
FrameResult frame_result(const face::FrameFaces& faces);

}  // namespace latentsync::lipsync
