#pragma once

#include "examples/transcode/arguments.h"
#include "examples/transcode/handles.h"

namespace latentsync::transcode {

/// The plugin of the build that this program is part of, or else the installed one. Throws Problem:
/// there is none.
void find_plugin();

/// A new `latentsync` with audio-context=whole, then the preset, then the properties of OPTIONS.
/// Throws Problem (kUsage): a preset, property or value that there is not.
ElementPtr make_element(const Options& options);

}  // namespace latentsync::transcode
