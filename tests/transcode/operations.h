#pragma once

#include "tests/transcode/support.h"

#include <map>

/// What surrounds the work: names, files, other jobs, signals, limits.
namespace latentsync::test {

/// A shell command: the command line with the fake engine, ended after SECONDS. ENVIRONMENT: words
/// before it.
std::string job(const std::string& arguments, const std::string& environment = "",
                int seconds = 60);
/// Runs it in FOLDER.
Finished transcode_in(const std::filesystem::path& folder, const std::string& arguments,
                      const std::string& environment = "");

/// Fails the test unless a run ended with exit status STATUS and one line, which contains SAYS.
void expect_refused(const Finished& finished, const std::string& says, int status = 1);

/// How many FILE has.
size_t frames_of(const std::filesystem::path& file);

/// All bytes of FILE; none where it cannot be read.
std::string content_of(const std::filesystem::path& file);

/// Names in FOLDER and below, with the content of each; links are not followed.
std::map<std::string, std::string> contents(const std::filesystem::path& folder);

}  // namespace latentsync::test
