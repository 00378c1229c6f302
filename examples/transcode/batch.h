#pragma once

#include "examples/transcode/arguments.h"

#include <string>
#include <vector>

namespace latentsync::transcode {

/// The clips of --batch. FROM: a folder, whose videos are taken in the order of their names, or a
/// list, one INPUT[<tab>AUDIO[<tab>SOUND]] a line, empty lines and those that begin with # left
/// out, relative names from the list's own folder. Each is to be written to OUTPUT_FOLDER as
/// NAME.mp4. Throws Problem: nothing found, two clips with one output.
std::vector<Clip> batch_clips(const std::string& from, const std::string& output_folder);

}  // namespace latentsync::transcode
