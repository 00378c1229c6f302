#pragma once

#include "examples/transcode/arguments.h"

#include <string>

namespace latentsync::transcode {

/// Compares everything that is to be written (outputs, reports, pictures, the cache in CACHE_FOLDER
/// unless that is empty) with each other and with everything that is read: inputs, speech, the
/// list, the model in MODEL_FOLDER. Opens nothing. Throws Problem: two of them are the same file,
/// whatever their names.
void check_used_files(const Arguments& arguments, const std::string& model_folder,
                      const std::string& cache_folder);

}  // namespace latentsync::transcode
