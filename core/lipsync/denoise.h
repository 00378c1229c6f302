#pragma once

#include "core/lipsync/prepare.h"
#include "core/lipsync/window_context.h"

#include <cstddef>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

/// The second of a window's three stages: the mouths.
namespace latentsync::lipsync {

/// Elements [begin, end) of a sequence.
struct FaceRange {
  size_t begin = 0;
  size_t end = 0;

  bool operator==(const FaceRange&) const = default;
};

/// What of SEQUENCE, in a window of FRAMES frames, is denoised together where that are MOST frames
/// of the window, 1 and more: the window's equal parts, without those that the face is not in.
std::vector<FaceRange> parts_of(const FaceSequence& sequence, size_t frames, size_t most);

/// What is generated of each sequence: latents [1, C, F, h, w] in the networks' precision, in which
/// they are decoded, on the networks' device. FRAMES is the number of frames of the window. Errors:
/// kCancelled, those of the networks.
std::vector<at::Tensor> denoise_faces(const WindowContext& context,
                                      std::span<const FaceSequence> sequences,
                                      std::span<const diffusion::Conditioning> conditioning,
                                      size_t frames);

/// The images of LATENTS [F, 3, R, R] around [-1, 1] in the networks' precision, in system memory
/// or on the networks' device, as WHERE is one of them. The host waits for them, once, and for all
/// that was launched before. Errors: kCancelled, those of the networks; kForeignModel and
/// kUnsupported for values that are no numbers.
std::vector<at::Tensor> decode_faces(const WindowContext& context,
                                     std::span<const at::Tensor> latents, c10::Device where);

}  // namespace latentsync::lipsync
