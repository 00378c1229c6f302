#pragma once

#include "examples/transcode/arguments.h"
#include "examples/transcode/handles.h"

namespace latentsync::transcode {

/// The plugin and the presets of the build or the installation that this program is part of, or
/// else those that GStreamer finds. Throws Problem: there is no plugin.
void find_plugin();

/// A new `latentsync` with audio-context=whole and disk-cache=true, then the preset, then the
/// properties of OPTIONS; without its cache where OPTIONS want none.
/// Throws Problem (kUsage): a preset, property or value that there is not.
ElementPtr make_element(const Options& options);

/// WHERE begins the sentence of a Problem (kUsage): there is no such property, or it does not take
/// TEXT.
void set_property(GstElement* element, const std::string& name, const std::string& text,
                  const std::string& where);

}  // namespace latentsync::transcode
