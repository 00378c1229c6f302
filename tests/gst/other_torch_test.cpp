#include "tests/gst/process.h"
#include "tests/support/temporary_folder.h"

#include <gtest/gtest.h>

/// The element, with the real engine, in a process that has another LibTorch.
namespace latentsync::test {
namespace {

/// Runs the application in this order, on eight frames of the sample clip.
Finished run_application(const std::string& order) {
#ifdef LATENTSYNC_OTHER_TORCH_USER
  const TemporaryFolder folder;
  const std::string media = LATENTSYNC_SOURCE_ROOT "/examples/media/";
  const std::string video = (folder / "in.mkv").string();
  const std::string speech = (folder / "speech.wav").string();
  const Finished made = run_process(
      "ffmpeg -v error -y -i " + media + "grid_drp-m.mp4 -i " + media +
      "demo1_audio.wav -map 0:v -vf scale=288:288 -frames:v 8 -pix_fmt yuv420p -c:v ffv1 " + video +
      " -map 1:a -t 1 " + speech);
  if (made.status != 0) return made;
  const std::string line =
      "latentsync name=l device=cpu inference-steps=1 resolution=128 window-frames=8 "
      "model-path=" LATENTSYNC_SOURCE_ROOT "/models/demo ! fakesink filesrc location=" +
      video + " ! matroskademux ! avdec_ffv1 ! queue ! l.video_sink filesrc location=" + speech +
      " ! wavparse ! queue ! l.audio_sink";
  return run_process("GST_PLUGIN_PATH=" LATENTSYNC_PLUGIN_FOLDER
                     " LATENTSYNC_ENGINE=" LATENTSYNC_REAL_ENGINE
                     " timeout -k 2 100 " LATENTSYNC_OTHER_TORCH_APPLICATION " " +
                     order + " " LATENTSYNC_OTHER_TORCH_USER " '" + line + "'");
#else
  return {};
#endif
}

class OtherTorch : public testing::Test {
 protected:
  void SetUp() override {
#ifndef LATENTSYNC_OTHER_TORCH_USER
    GTEST_SKIP() << "LibTorch is not setup.sh's: its libraries have no names of their own";
#endif
  }
};

// An application that opened LibTorch before the element started keeps its settings and the bits of
// its results, and the element renders.
TEST_F(OtherTorch, OpenedBefore) {
  const Finished finished = run_application("before");
  EXPECT_EQ(finished.status, 0) << finished.output;
}

// So does one that opens LibTorch when the element has rendered, and lets it render again.
TEST_F(OtherTorch, OpenedAfter) {
  const Finished finished = run_application("after");
  EXPECT_EQ(finished.status, 0) << finished.output;
}

// One that opened it for all libraries of the process gets an error that names both and says what
// to do.
TEST_F(OtherTorch, OpenedForAllLibraries) {
  const Finished finished = run_application("global");
  EXPECT_EQ(finished.status, 1) << finished.output;
  for (const char* part :
       {LATENTSYNC_REAL_ENGINE, "/libtorch_cpu.so", "Open that one with RTLD_LOCAL"}) {
    EXPECT_NE(finished.output.find(part), std::string::npos) << part << "\n" << finished.output;
  }
}

}  // namespace
}  // namespace latentsync::test
