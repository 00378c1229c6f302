#pragma once

#include "examples/transcode/recording.h"

#include <string>
#include <vector>

namespace latentsync::transcode {

/// A line of a table: a property of the element, or what the model is.
struct PageEntry {
  std::string name;
  std::string value;
  bool changed = false;  ///< it is not the default
};

enum class PageState {
  kWhole,   ///< the output is
  kEarly,   ///< the output ends early
  kFailed,  ///< there is no output
};

/// What a page says of a run besides the recording.
struct PageFacts {
  PageState state = PageState::kWhole;
  std::string problem;  ///< why there is no output
  std::string output;   ///< names, any bytes
  std::string input;
  std::string speech;
  std::string sound;
  std::string version;  ///< of this program
  std::string date;     ///< when it was made
  double seconds = 0;   ///< from the command's start to its end
  double frames_per_second = 0;
  std::vector<PageEntry> settings;
  std::vector<PageEntry> model;
};

/// An HTML document that needs nothing besides itself: no script, style, font or picture from
/// elsewhere. It is well-formed XML too.
std::string page_of(const PageFacts& facts, const Recording& recording);

}  // namespace latentsync::transcode
