#pragma once

#include <filesystem>
#include <string>

namespace latentsync::lipsync {

/// The folder of the face networks, without symbolic links: GIVEN, or where that is empty the one
/// beside the engine library (models/face there or in the folder above), that of the installation
/// which the library lies in, or the installed one.
/// Errors: kNotFound, naming the file that is missing and all places that were looked at.
std::filesystem::path find_face_folder(const std::string& given);

}  // namespace latentsync::lipsync
