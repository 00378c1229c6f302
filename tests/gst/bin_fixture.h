#pragma once

#include "tests/gst/host_test.h"

#include <string>
#include <vector>

/// latentsyncbin in a pipeline of its own.
namespace latentsync::test {

class BinTest : public HostTest {
 protected:
  void TearDown() override {
    expect_freed();
    HostTest::TearDown();
  }
  /// A file through the bin; PROPERTIES in place of the speech's URI.
  static std::string line(const std::string& properties);
  static std::string line() { return line("audio-uri=" + speech()); }
  /// The same with the element's two pads.
  static std::string reference(const std::string& properties);
  /// Of the sink of a line.
  static Ref<GstPad> sink_of(const Pipeline& pipeline);

  /// All frames of a line; nothing is posted but WARNINGS.
  static std::vector<SeenFrame> play(const std::string& text, size_t warnings = 0);
  /// The frames as they are in the file.
  static std::vector<SeenFrame> plain();

  using HostTest::change;
  static bool change(const Pipeline& pipeline, GstState state) {
    return change(pipeline.get(), state);
  }
  using HostTest::wait_eos;
  static bool wait_eos(const Pipeline& pipeline) { return wait_eos(pipeline.get()); }
  /// With a flush.
  static bool seek(const Pipeline& pipeline, int ms, int flags = GST_SEEK_FLAG_ACCURATE,
                   double rate = 1);
};

}  // namespace latentsync::test
