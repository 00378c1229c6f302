#pragma once

#include "core/cache/key.h"
#include "core/diffusion/denoiser.h"
#include "core/engine.h"
#include "core/lipsync/face_sequences.h"

#include <cstddef>
#include <span>
#include <string_view>

namespace latentsync::lipsync {

/// All that the latents of a window's faces depend on.
struct LatentsInput {
  std::string_view model;     ///< LoadedModel::content_hash()
  std::string_view identity;  ///< result_identity()
  const ModelInfo& info;
  const RenderSettings& settings;  ///< resolved
  const Rung& rung;
  size_t frames = 0;  ///< of the window
  std::span<const FaceSequence> sequences;
  std::span<const diffusion::Conditioning> conditioning;  ///< of each, in system memory
};

/// What latents are found by in the result cache: the bytes of all that denoise_faces() reads.
/// Where frames lie in them, how they are timed and how faces were chosen goes in by what came of
/// it, and nothing goes in that shows in FrameResults, decoding or pasting alone: those are made
/// anew.
cache::Key latents_key(const LatentsInput& input);

}  // namespace latentsync::lipsync
