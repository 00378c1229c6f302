#include "tests/gst/pipeline.h"
#include "tests/support/temporary_folder.h"

/// Graphs that would stop themselves: a branch beside the element is full, and waits for what the
/// element would send if it got more through the same tee.
namespace latentsync::test {
namespace {

class Starving : public ElementTest {
 protected:
  void SetUp() override {
    ElementTest::SetUp();
    watch(std::chrono::seconds(60));
  }

  /// Fails the test unless PIPELINE ends with so many frames, and within 5 s has one warning, the
  /// only one, that names TEE and QUEUE.
  static void expect_told(Pipeline& pipeline, int frames, const std::string& tee,
                          const std::string& queue) {
    EXPECT_TRUE(pipeline.play(std::chrono::seconds(15)));
    EXPECT_EQ(pipeline.frames(), frames);
    EXPECT_EQ(pipeline.errors(), std::vector<std::string>{});
    const auto& warnings = pipeline.warnings();
    ASSERT_EQ(warnings.size(), 1u) << testing::PrintToString(warnings);
    EXPECT_NE(warnings.front().text.find(tee), std::string::npos) << warnings.front().text;
    EXPECT_NE(warnings.front().text.find(queue), std::string::npos) << warnings.front().text;
    EXPECT_LE(warnings.front().after, patience(std::chrono::seconds(5)));
  }

  static void make(const std::string& line) {
    Pipeline pipeline(line);
    ASSERT_TRUE(pipeline.play(std::chrono::seconds(20))) << line;
  }
};

constexpr const char* kSound =
    " audiotestsrc num-buffers=100 samplesperbuffer=640 ! audio/x-raw,rate=16000,channels=1,"
    "format=F32LE ! queue ! l.audio_sink ";

/// A picture before and after beside each other: the queue of the "before" branch is this one.
std::string before_and_after(const std::string& queue) {
  return "compositor name=c ! fakesink sync=false latentsync name=l model-path=fake: ! queue ! c. "
         "videotestsrc num-buffers=50 ! video/x-raw,format=I420,width=64,height=48,framerate=25/1 "
         "! tee name=splitter splitter. ! queue ! l.video_sink splitter. ! " +
         queue + " ! c." + kSound;
}

// The other branch of the video's tee is full before a window is: one warning that names both, and
// all frames.
TEST_F(Starving, OfVideoBesideAFullBranchIsTold) {
  for (const char* limits :
       {"max-size-buffers=8", "max-size-buffers=0 max-size-bytes=20000 max-size-time=0"}) {
    SCOPED_TRACE(limits);
    Pipeline pipeline(before_and_after(std::string("queue name=narrow ") + limits));
    expect_told(pipeline, 50, "splitter", "narrow");
  }
}

// The same with audio that does not end.
TEST_F(Starving, OfVideoWithEndlessAudioIsTold) {
  std::string line = before_and_after("queue name=narrow max-size-buffers=8");
  line.replace(line.find("num-buffers=100"), 15, "num-buffers=1000");
  Pipeline pipeline(line);
  expect_told(pipeline, 50, "splitter", "narrow");
}

// A branch that is large enough is told of nothing.
TEST_F(Starving, IsNotToldWhereTheBranchIsLargeEnough) {
  Pipeline pipeline(
      before_and_after("queue name=wide max-size-buffers=0 max-size-bytes=0 max-size-time=0"));
  EXPECT_TRUE(pipeline.play(std::chrono::seconds(15)));
  EXPECT_EQ(pipeline.frames(), 50);
  EXPECT_TRUE(pipeline.warnings().empty());
}

// A video source that is slow by itself is no such graph: it is waited for, whatever is full.
TEST_F(Starving, IsNotToldOfASlowSource) {
  Pipeline pipeline(
      "latentsync name=l model-path=fake: ! fakesink sync=false videotestsrc num-buffers=20 ! "
      "video/x-raw,format=I420,width=64,height=48,framerate=25/1 ! identity sleep-time=150000 ! "
      "queue ! l.video_sink" +
      std::string(kSound));
  EXPECT_TRUE(pipeline.play(std::chrono::seconds(15)));
  EXPECT_EQ(pipeline.frames(), 20);
  EXPECT_TRUE(pipeline.warnings().empty());
}

// One demuxer feeds the video and a tee of the audio, whose other branch is full and goes to the
// muxer that waits for the video.
TEST_F(Starving, BehindOneDemuxerIsTold) {
  const TemporaryFolder folder;
  const std::string in = (folder / "in.mkv").string();
  ASSERT_NO_FATAL_FAILURE(
      make("videotestsrc num-buffers=100 ! video/x-raw,format=I420,width=64,height=48,"
           "framerate=25/1 ! avenc_ffv1 ! matroskamux name=m ! filesink location=" +
           in +
           " audiotestsrc num-buffers=200 samplesperbuffer=320 ! audio/x-raw,rate=16000,"
           "channels=1 ! m."));
  for (const char* muxer : {"matroskamux", "mp4mux"}) {
    SCOPED_TRACE(muxer);
    const bool mp4 = std::string(muxer) == "mp4mux";
    Pipeline pipeline(
        "latentsync name=l model-path=fake: ! videoconvert ! " +
        std::string(mp4 ? "x264enc tune=zerolatency" : "avenc_ffv1") + " ! " + muxer +
        " name=m ! filesink location=" + (folder / "out").string() + " filesrc location=" + in +
        " ! matroskademux name=d d.video_0 ! queue max-size-time=400000000 ! avdec_ffv1 ! "
        "videoconvert ! l.video_sink d.audio_0 ! queue max-size-time=400000000 ! audioconvert ! "
        "audioresample ! tee name=splitter splitter. ! queue ! audioconvert ! l.audio_sink "
        "splitter. ! queue name=narrow max-size-time=400000000 ! audioconvert ! " +
        (mp4 ? "avenc_aac" : "identity") + " ! m.");
    expect_told(pipeline, 100, "splitter", "narrow");
  }
}

}  // namespace
}  // namespace latentsync::test
