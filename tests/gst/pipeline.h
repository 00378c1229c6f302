#pragma once

#include "tests/gst/support.h"

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace latentsync::test {

/// A launch line, on a real clock. If it has an element that is called "l", its frames are counted.
class Pipeline {
 public:
  explicit Pipeline(const std::string& line);
  /// A line as gst-launch-1.0 has it: a word for each argument.
  explicit Pipeline(const std::vector<std::string>& words);
  /// To NULL.
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// To PLAYING, until EOS (true), an error or LIMIT.
  bool play(std::chrono::milliseconds limit);

  /// To PLAYING; read_message() is to be called from then on.
  void start();
  /// Does what the next message asks for, if there is one within LIMIT. True after EOS, false after
  /// an error, nothing as long as the pipeline goes on.
  std::optional<bool> read_message(std::chrono::milliseconds limit);

  struct Warning {
    std::string text;                 ///< sentence and debug text
    std::chrono::milliseconds after;  ///< since PLAYING
  };
  const std::vector<Warning>& warnings() const { return warnings_; }
  const std::vector<std::string>& errors() const { return errors_; }
  /// How many frames "l" has output.
  int frames() const { return frames_; }
  /// The latency of its sinks.
  GstClockTime latency() const;

  GstElement* get() const { return pipeline_.get(); }
  Ref<GstElement> element(const char* name) const;

 private:
  void take(GstElement* made, GError* error, const std::string& line);

  Ref<GstElement> pipeline_;
  Ref<GstBus> bus_;
  std::chrono::steady_clock::time_point begin_;
  std::vector<Warning> warnings_;
  std::vector<std::string> errors_;
  std::atomic<int> frames_ = 0;
};

void PrintTo(const Pipeline::Warning& warning, std::ostream* out);

}  // namespace latentsync::test
