#pragma once

#include "examples/transcode/arguments.h"

#include <string>
#include <vector>

namespace latentsync::transcode {

/// The clips of --batch, without the names of their outputs. FROM: a folder, whose videos, in it
/// and below, are taken in the order of their names, but none in OUTPUTS or in a hidden folder; or
/// a list, one INPUT[<tab>AUDIO[<tab>SOUND]] a line, empty lines and those that begin with # left
/// out, relative names from the list's own folder. Throws Problem: nothing found.
std::vector<Clip> batch_clips(const std::string& from, const std::string& outputs);

/// Gives every clip the names of its output and its page. SEED: the element's, or empty where it is
/// drawn anew. Throws Problem: two clips with one name, a pattern that names what is not known.
void name_outputs(Arguments& arguments, const std::string& seed);

}  // namespace latentsync::transcode
