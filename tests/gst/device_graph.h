#pragma once

#include "gst/cuda/device.h"
#include "tests/gst/support.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

/// Graphs whose frames lie on the stand-in driver's devices.
namespace latentsync::test {

/// A test with GStreamer's own CUDA elements on the stand-in. At its end: nothing was done that
/// CUDA does not promise to work, and nothing on the devices is left.
class DeviceTest : public ElementTest {
 protected:
  static void SetUpTestSuite();
  void SetUp() override;
  void TearDown() override;
};

/// What a graph did.
struct Ran {
  bool ended = false;               ///< EOS came
  std::vector<std::string> errors;  ///< sentences
  int own_errors = 0;               ///< of them, the element's
  std::vector<std::string> warnings;
  std::vector<uint64_t> pictures;     ///< of each frame that came out, its visible bytes
  std::vector<const void*> contexts;  ///< of its memory; null for system memory
};

/// `videotestsrc ! PATH_IN l.video_sink`, with sound, and `l. ! PATH_OUT` a sink that looks at each
/// frame. The paths are elements with `!` behind each of them.
class DeviceGraph {
 public:
  struct Options {
    std::string format = "NV12";
    std::string in;
    std::string out;
    std::string properties = "device=cuda";
    int frames = 40;
  };
  explicit DeviceGraph(const Options& options);
  ~DeviceGraph();
  DeviceGraph(const DeviceGraph&) = delete;
  DeviceGraph& operator=(const DeviceGraph&) = delete;

  GstElement* get() const { return pipeline_.get(); }
  Ref<GstElement> element(const char* name) const;
  /// To PLAYING until EOS or an error; then to NULL.
  Ran run();
  /// Called after each frame that comes out, with its number.
  void on_frame(std::function<void(size_t)> call) { on_frame_ = std::move(call); }

 private:
  void keep_error(GstMessage* message);
  static void look(GstElement* sink, GstBuffer* buffer, GstPad* pad, gpointer self);

  Ref<GstElement> pipeline_;
  Ran ran_;
  std::function<void(size_t)> on_frame_;
};

/// In the graph's memory: CUDA's on both sides.
DeviceGraph::Options on_device(const std::string& format = "NV12");
/// The same frames in system memory, with the model on the CPU.
DeviceGraph::Options in_system_memory(const std::string& format = "NV12");

}  // namespace latentsync::test
