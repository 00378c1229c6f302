#pragma once

#include "tests/gst/process.h"

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace latentsync::test {

/// The rule for every run of the command line: exit status 0 and an output that opens and has all
/// the frames that were promised, or one line that says what is wrong and what to do. No output
/// then, or the older one as it was. Never a partial file, a message of GLib, a signal, or a minute
/// without an end.
///
/// Made before a run, it notes what lies where the output will be; check() compares.
class HouseRule {
 public:
  /// OUTPUT: the file, or with --batch the folder, that the run is to write.
  explicit HouseRule(std::filesystem::path output);

  /// What is against the rule in a run that ended like FINISHED, a line for each; empty where it
  /// was kept. FRAMES: how many the output has to have where it is made.
  std::string broken(const Finished& finished, std::optional<size_t> frames = {}) const;
  /// Fails the test where broken() says something.
  void check(const Finished& finished, std::optional<size_t> frames = {}) const;

 private:
  using Entries = std::map<std::filesystem::path, std::string>;
  Entries entries() const;

  std::filesystem::path output_;
  Entries before_;
};

/// What ARGUMENTS, as a shell takes them, name after -o or --output; empty: nothing.
std::filesystem::path output_of(const std::string& arguments);

}  // namespace latentsync::test
