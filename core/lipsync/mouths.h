#pragma once

#include "core/engine.h"
#include "core/lipsync/face_sequences.h"
#include "core/lipsync/window_context.h"

#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::lipsync {

/// Sets FrameResult::mouth_opening of the frames of a window that are edited, as they will look.
/// IMAGES are the generated images of each sequence [F, 3, R, R] around [-1, 1], VIEWS all frames
/// of the window as they came. Of an interlaced frame it is the field that is shown first. Errors:
/// kCancelled, those of the network.
void measure_mouths(const WindowContext& context, std::span<const FaceSequence> sequences,
                    std::span<const at::Tensor> images, std::span<const kernels::ImageView> views,
                    std::vector<FrameResult>& frames);

}  // namespace latentsync::lipsync
