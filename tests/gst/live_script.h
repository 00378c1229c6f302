#pragma once

#include <string>
#include <vector>

namespace latentsync::test {

/// The pipeline that a script of examples/live gives to gst-launch-1.0, a word for each argument.
/// SETTINGS are variables of the shell, e.g. "WINDOW=fakesink".
std::vector<std::string> script_pipeline(const std::string& script,
                                         const std::vector<std::string>& settings,
                                         const std::string& arguments = {});

/// A command for Running: the script itself, in a process of its own.
std::string script_command(const std::string& script, const std::vector<std::string>& settings,
                           const std::string& arguments = {});

/// One of 16 ports of this process, in case that another one runs these tests as well.
std::string port(int number);

}  // namespace latentsync::test
