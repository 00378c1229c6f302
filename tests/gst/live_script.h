#pragma once

#include <string>
#include <vector>

namespace latentsync::test {

/// The pipeline that a script of examples/live gives to gst-launch-1.0, a word for each argument.
/// SETTINGS are variables of the shell, e.g. "WINDOW=fakesink".
std::vector<std::string> script_pipeline(const std::string& script,
                                         const std::vector<std::string>& settings,
                                         const std::string& arguments = {});

}  // namespace latentsync::test
