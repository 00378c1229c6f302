#pragma once

#include "core/face/track.h"

#include <filesystem>

#include <c10/core/Device.h>

namespace latentsync::face {

/// Loads MediaPipe's networks (models/face) from FOLDER to DEVICE, ready to find and follow faces
/// in float32. Errors: those of model::open_tensor_file and model::load_state.
FaceTracker load_face_tracker(const std::filesystem::path& folder, c10::Device device = c10::kCPU);

}  // namespace latentsync::face
