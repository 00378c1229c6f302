#pragma once

#include "core/engine.h"

#include <string>

/// Finds what lies beside the plugin, in a build folder and where it was installed.
namespace latentsync {

/// The engine of this process. Its library is opened with the first call and stays: LibTorch cannot
/// be unloaded. It is looked for at $LATENTSYNC_ENGINE; else in the folder above the plugin's
/// (build tree, and lib/ over lib/gstreamer-1.0), beside the plugin, and in the library folder of
/// the installation. Errors: kNotFound, kUnreadable, kUnsupported (another version).
Result<Engine*> load_engine();

/// The folder of the demo model: models/demo of the source tree when the plugin lies in its build
/// folder, else that of the installation which the plugin lies in.
std::string default_model_path();

}  // namespace latentsync
