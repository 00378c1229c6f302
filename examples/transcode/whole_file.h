#pragma once

#include "examples/transcode/arguments.h"
#include "examples/transcode/handles.h"

#include <string>

/// What says which outputs of a batch are there and whole: beside each output lies
/// .NAME.sha256, a line for sha256sum -c and a line about how the output was made.
namespace latentsync::transcode {

/// What CLIP's output depends on, as a checksum: options, the properties of ELEMENT that change
/// pixels, and names, sizes and times of the files that are read, those of the model too.
std::string recipe_of(const Clip& clip, const Options& options, GstElement* element);

/// The file beside OUTPUT.
std::string checksum_file(const std::string& output);

enum class Found {
  kNothing,  ///< no output, or it is not known how it was made
  kOther,    ///< it was made in another way, or of other files
  kDamaged,  ///< it is not as it was written
  kWhole,
};

/// What OUTPUT is, to be made by RECIPE. Reads all of it where its size and recipe are right.
Found look_for(const std::string& output, const std::string& recipe);

/// Says that OUTPUT is whole. Throws Problem: it cannot be written.
void remember(const std::string& output, const std::string& recipe);

}  // namespace latentsync::transcode
