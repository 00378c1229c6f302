#pragma once

#include <string>

namespace latentsync::transcode {

/// What stands for {stem}, {folder}, {preset} and {seed} in -o.
struct NameParts {
  std::string stem;    ///< INPUT's name without its extension
  std::string folder;  ///< where INPUT is below the batch's folder; empty: in it, or no batch
  std::string preset;  ///< its name; empty: none, which is written "default"
  std::string seed;    ///< empty: it is drawn anew for each run, and no name can have it
};

/// PATTERN with each {part} replaced, and {{ by {. OPTION: it was given with. Throws Problem
/// (kUsage): a part that is not known, or a seed that is not.
std::string output_name(const std::string& option, const std::string& pattern,
                        const NameParts& parts);

/// Whether each clip of a batch has a name of its own in PATTERN; else it is a folder.
bool names_each_clip(const std::string& pattern);

/// The folder above everything that is written by PATTERN.
std::string root_of_outputs(const std::string& pattern);

/// PATTERN for a batch: a folder's clips get the names of their inputs, and EXTENSION.
std::string pattern_of_batch(const std::string& pattern, const std::string& extension);

/// INPUT's name without folder and extension; of standard input "stdin".
std::string stem_of(const std::string& input);

}  // namespace latentsync::transcode
