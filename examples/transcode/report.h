#pragma once

#include "examples/transcode/arguments.h"
#include "examples/transcode/handles.h"

#include <string>

namespace latentsync::transcode {

struct Measured {
  bool whole = false;
  guint64 frames = 0;
  GstClockTime begin = 0;  ///< of the part, on the whole's timeline
  double seconds = 0;      ///< from the command's start to its end
  double frames_per_second = 0;
  StructurePtr element;  ///< its `stats`; may be null
};

/// Whether FILE, named by OPTION, can be written; leaves it as it is. Throws Problem: it cannot.
void check_writable(const std::string& option, const std::string& file);

/// Writes --stats: what was measured. Throws Problem: it cannot be written.
void write_report(const Clip& clip, const Measured& measured);

}  // namespace latentsync::transcode
