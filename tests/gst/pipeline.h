#pragma once

#include "tests/gst/support.h"

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

namespace latentsync::test {

/// A launch line with an element that is called "l", on a real clock.
class Pipeline {
 public:
  explicit Pipeline(const std::string& line);
  /// To NULL.
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// To PLAYING, until EOS (true), an error or LIMIT.
  bool play(std::chrono::milliseconds limit);

  struct Warning {
    std::string text;                 ///< sentence and debug text
    std::chrono::milliseconds after;  ///< since PLAYING
  };
  const std::vector<Warning>& warnings() const { return warnings_; }
  const std::vector<std::string>& errors() const { return errors_; }
  /// How many frames "l" has output.
  int frames() const { return frames_; }

  GstElement* get() const { return pipeline_.get(); }
  Ref<GstElement> element(const char* name) const;

 private:
  Ref<GstElement> pipeline_;
  std::vector<Warning> warnings_;
  std::vector<std::string> errors_;
  std::atomic<int> frames_ = 0;
};

void PrintTo(const Pipeline::Warning& warning, std::ostream* out);

}  // namespace latentsync::test
