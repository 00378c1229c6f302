#include "tests/gst/launch_lines.h"
#include "tests/gst/process.h"
#include "tests/gst/support.h"
#include "tests/support/temporary_folder.h"

#include <filesystem>
#include <fstream>

namespace latentsync::test {
namespace {

/// A short clip with sound as files of several kinds.
class Launch : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    const std::string video =
        "videotestsrc num-buffers=40 ! video/x-raw,format=I420,width=64,height=48,framerate=25/1 "
        "! ";
    const std::string audio =
        "audiotestsrc wave=ticks num-buffers=80 samplesperbuffer=320 ! "
        "audio/x-raw,rate=16000,channels=1 ! ";
    make(video + "x264enc key-int-max=10 ! mp4mux name=m ! filesink location=" +
         (folder() / "in.mp4").string() + " " + audio + "avenc_aac ! m.");
    make(video + "avenc_ffv1 ! matroskamux name=m ! filesink location=" +
         (folder() / "in.mkv").string() + " " + audio + "m.");
    make(std::string("videotestsrc num-buffers=100 ! ") +
         "video/x-raw,format=I420,width=64,height=48,framerate=25/1 ! avenc_ffv1 ! matroskamux "
         "name=m ! filesink location=" +
         (folder() / "long.mkv").string() +
         " audiotestsrc wave=ticks num-buffers=200 samplesperbuffer=320 ! "
         "audio/x-raw,rate=16000,channels=1 ! m.");
    make(audio + "wavenc ! filesink location=" + (folder() / "speech.wav").string());
  }
  static void TearDownTestSuite() { folder_.reset(); }

  void SetUp() override {
    watch(std::chrono::seconds(60));
    take_warnings();
    fake::reset();
  }

  static const TemporaryFolder& folder() { return *folder_; }

  /// Runs a line as gst-launch does, in a process of its own; the model is a fake one.
  static Finished launch(const std::string& line) {
    return run_process("cd '" + folder().path().string() + "' && timeout 40 gst-launch-1.0 -e " +
                       line);
  }

  static void make(const std::string& line) {
    const Finished made = run_process("gst-launch-1.0 -q " + line);
    ASSERT_EQ(made.status, 0) << line << "\n" << made.output;
  }

  /// Frames of a video file.
  static int frames_of(const std::string& name) {
    const Finished counted = run_process(
        "ffprobe -v error -count_frames -select_streams v:0 -show_entries stream=nb_read_frames "
        "-of csv=p=0 '" +
        (folder() / name).string() + "'");
    return std::atoi(counted.output.c_str());
  }

  static std::unique_ptr<TemporaryFolder> folder_;
};
std::unique_ptr<TemporaryFolder> Launch::folder_;

// Each launch line of the documentation and the source runs to its end, with small media in place
// of its files; a file that it writes has all frames.
TEST_F(Launch, LinesOfTheDocumentationRun) {
  const std::vector<LaunchLine> lines = documented_launch_lines(LATENTSYNC_SOURCE_ROOT);
  EXPECT_FALSE(lines.empty());
  for (const LaunchLine& line : lines) {
    watch(std::chrono::seconds(60));
    SCOPED_TRACE(line.file + ": " + line.text);
    const LaunchLine small = with_small_media(line, folder().path());
    const Finished finished = launch(small.text);
    EXPECT_EQ(finished.status, 0) << small.text << "\n" << finished.output;
    EXPECT_EQ(finished.output.find("WARNING"), std::string::npos) << finished.output;
    EXPECT_EQ(finished.output.find("CRITICAL"), std::string::npos) << finished.output;
    for (const std::string& written : small.written) {
      EXPECT_EQ(frames_of(written), 40) << written;
    }
  }
}

/// The specification's line, with this queue between the tee and the muxer.
std::string specified_line(const std::filesystem::path& folder, const std::string& queue) {
  return "latentsync name=l model-path=fake: ! videoconvert ! x264enc ! mp4mux name=m ! "
         "filesink location=spec.mp4 uridecodebin uri=file://" +
         (folder / "in.mp4").string() +
         " ! videoconvert ! queue ! l.video_sink uridecodebin uri=file://" +
         (folder / "speech.wav").string() +
         " ! tee name=t t. ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! "
         "audioconvert ! "
         "audioresample ! l.audio_sink t. ! " +
         queue + " ! audioconvert ! avenc_aac ! m.";
}

// The line of the specification: as many frames out as in.
TEST_F(Launch, LineOfTheSpecificationRuns) {
  const Finished finished = launch(
      specified_line(folder().path(), "queue max-size-time=0 max-size-bytes=0 max-size-buffers=0"));
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frames_of("spec.mp4"), 40);
}

/// The specification's line without a tee, with plain queues.
std::string short_line(const std::filesystem::path& folder, const std::string& properties,
                       const std::string& muxer) {
  return "latentsync name=l model-path=fake: " + properties + " ! videoconvert ! x264enc ! " +
         muxer + " name=m ! filesink location=spec.mkv uridecodebin uri=file://" +
         (folder / "in.mp4").string() +
         " ! videoconvert ! queue ! l.video_sink uridecodebin uri=file://" +
         (folder / "speech.wav").string() +
         " ! queue ! l.audio_sink l.audio_src ! queue ! audioconvert ! avenc_aac ! m.";
}

// With audio_src there is no tee, and no queue has to be large, whichever muxer holds a pad back
// until the other one has data, and whatever of the audio is read first.
TEST_F(Launch, TheSoundOfAudioSrcNeedsNoLargeQueue) {
  for (const char* muxer : {"mp4mux", "matroskamux", "mpegtsmux"}) {
    for (const char* properties : {"", "audio-context=whole"}) {
      SCOPED_TRACE(muxer + std::string(" ") + properties);
      const Finished finished = launch(short_line(folder().path(), properties, muxer));
      EXPECT_EQ(finished.status, 0) << finished.output;
      EXPECT_EQ(finished.output.find("WARNING"), std::string::npos) << finished.output;
      EXPECT_EQ(frames_of("spec.mkv"), 40);
    }
  }
}

// One demuxer feeds both pads through default queues, and the muxer waits for both: nothing locks
// itself. The whole audio cannot be had so, which is told.
TEST_F(Launch, OneDemuxerAndOneMuxerDoNotLockThemselves) {
  for (const char* properties : {"", "audio-context=whole"}) {
    SCOPED_TRACE(properties);
    const Finished finished =
        launch("latentsync name=l model-path=fake: " + std::string(properties) +
               " ! x264enc ! mp4mux name=m ! filesink location=both.mp4 "
               "filesrc location=long.mkv ! matroskademux name=d "
               "d. ! queue ! avdec_ffv1 ! l.video_sink d. ! queue ! l.audio_sink "
               "l.audio_src ! queue ! audioconvert ! avenc_aac ! m.");
    EXPECT_EQ(finished.status, 0) << finished.output;
    EXPECT_EQ(frames_of("both.mp4"), 100);
    const bool whole = properties[0] != '\0';
    EXPECT_EQ(finished.output.find("WARNING") != std::string::npos, whole) << finished.output;
  }
}

// The same with a queue of a second before the muxer, which then holds back the audio that the
// element waits for: all frames come out, and the user is told, once, what to do.
TEST_F(Launch, AMuxerThatHoldsTheAudioBackDoesNotStopTheVideo) {
  const Finished finished = launch(specified_line(folder().path(), "queue"));
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frames_of("spec.mp4"), 40);
  const size_t told = finished.output.find("WARNING: from element");
  ASSERT_NE(told, std::string::npos) << finished.output;
  EXPECT_EQ(finished.output.find("WARNING: from element", told + 1), std::string::npos);
  EXPECT_NE(finished.output.find("max-size-time=0 max-size-bytes=0 max-size-buffers=0", told),
            std::string::npos);
}

// One demuxer feeds both pads through small queues: sliding, it must not hang, however small.
TEST_F(Launch, OneDemuxerWithSmallQueuesDoesNotHang) {
  for (const int buffers : {1, 2, 5, 200}) {
    SCOPED_TRACE(buffers);
    const std::string queue =
        "queue max-size-time=0 max-size-bytes=0 max-size-buffers=" + std::to_string(buffers);
    const Finished finished = launch(
        "latentsync name=l model-path=fake: ! avenc_ffv1 ! matroskamux ! filesink "
        "location=demuxed.mkv "
        "filesrc location=in.mkv ! matroskademux name=d d. ! " +
        queue +
        " ! avdec_ffv1 ! l.video_sink "
        "d. ! " +
        queue + " ! audioconvert ! audioresample ! l.audio_sink");
    EXPECT_EQ(finished.status, 0) << finished.output;
    EXPECT_EQ(frames_of("demuxed.mkv"), 40);
  }
}

// The same with the whole audio asked for: after 2 s it warns once and goes on as sliding.
TEST_F(Launch, OneDemuxerWithSmallQueuesFallsBackToSliding) {
  const std::string queue = "queue max-size-time=0 max-size-bytes=0 max-size-buffers=4";
  const Finished finished = launch(
      "latentsync name=l model-path=fake: audio-context=whole ! avenc_ffv1 ! matroskamux ! "
      "filesink location=whole.mkv "
      "filesrc location=long.mkv ! matroskademux name=d d. ! " +
      queue +
      " ! avdec_ffv1 ! l.video_sink "
      "d. ! " +
      queue + " ! audioconvert ! audioresample ! l.audio_sink");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frames_of("whole.mkv"), 100);
  const size_t first = finished.output.find("WARNING: from element");
  EXPECT_NE(first, std::string::npos) << finished.output;
  EXPECT_EQ(finished.output.find("WARNING: from element", first + 1), std::string::npos)
      << finished.output;
}

// And with a queue that is large enough the audio is whole, without a warning.
TEST_F(Launch, OneDemuxerWithALargeQueueIsWhole) {
  const Finished finished = launch(
      "latentsync name=l model-path=fake: audio-context=whole ! avenc_ffv1 ! matroskamux ! "
      "filesink location=whole.mkv "
      "filesrc location=long.mkv ! matroskademux name=d "
      "d. ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! avdec_ffv1 ! l.video_sink "
      "d. ! queue ! audioconvert ! audioresample ! l.audio_sink");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(finished.output.find("WARNING"), std::string::npos) << finished.output;
  EXPECT_EQ(frames_of("whole.mkv"), 100);
}

}  // namespace
}  // namespace latentsync::test
