#pragma once

#include "core/cache/key.h"
#include "core/engine.h"
#include "kernels/image/image_view.h"

#include <cstddef>
#include <span>
#include <string_view>

namespace latentsync::lipsync {

/// All that the faces of a window and their latents depend on.
struct FacesInput {
  std::string_view model;     ///< LoadedModel::content_hash()
  std::string_view identity;  ///< result_identity()
  const ModelInfo& info;
  const RenderSettings& settings;  ///< resolved
  const Rung& rung;
  std::span<const kernels::ImageView> views;  ///< all frames of the window, in system memory
  std::span<const std::byte> follow;          ///< the state that it enters with, as bytes
};

/// What a prepared window is found by in the result cache. Every sample of the frames goes in, in
/// its own format; times and audio do not, and of the settings only those that choose faces or
/// change what the autoencoder makes of them: a preview and a final pass share them.
cache::Key faces_key(const FacesInput& input);

}  // namespace latentsync::lipsync
