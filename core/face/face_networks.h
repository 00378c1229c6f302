#pragma once

#include "core/face/track.h"

#include <filesystem>
#include <vector>

#include <c10/core/Device.h>

namespace latentsync::face {

/// The files of FOLDER that load_face_tracker() reads.
std::vector<std::filesystem::path> face_network_files(const std::filesystem::path& folder);

/// Loads MediaPipe's networks (models/face) from FOLDER to DEVICE, ready to find and follow faces
/// in float32. Errors: those of model::open_tensor_file and model::load_state.
FaceTracker load_face_tracker(const std::filesystem::path& folder, c10::Device device = c10::kCPU);

}  // namespace latentsync::face
