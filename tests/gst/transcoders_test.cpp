#include "tests/gst/host_test.h"

#include <gst/transcoder/gsttranscoder.h>

/// latentsyncbin as the video-filter of uritranscodebin and GstTranscoder.
namespace latentsync::test {
namespace {

/// Lossless, with each frame as often as it comes.
constexpr const char* kProfile =
    "video/x-matroska:video/x-ffv,ffvversion=1|variable-framerate=true";

class Transcoders : public HostTest {
 protected:
  /// transcodebin of GStreamer 1.22 does this at its end with any filter, identity too.
  void TearDown() override {
    for (const std::string& warning : take_warnings()) {
      EXPECT_EQ(warning, "GStreamer: gst_object_unref: assertion 'object != NULL' failed");
    }
    HostTest::TearDown();
  }
};

// The file has the frames of the command line, bit for bit, at their times.
TEST_F(Transcoders, UritranscodebinWritesTheFramesOfTheCommandLine) {
  for (const std::string& uri : {title(), irregular()}) {
    SCOPED_TRACE(uri);
    const auto wanted = of_the_command_line(uri);
    Pipeline pipeline("uritranscodebin source-uri=" + uri + " dest-uri=" + file("out.mkv") +
                      " profile=\"" + kProfile + "\" video-filter=\"" + filter("whole") + "\"");
    EXPECT_TRUE(pipeline.play(std::chrono::seconds(30)));
    EXPECT_EQ(pipeline.errors(), std::vector<std::string>{});
    EXPECT_EQ(frames_of_file(file("out.mkv")), wanted);
  }
}

// The same by GstTranscoder, whose pipeline gets the filter.
TEST_F(Transcoders, GstTranscoderWritesTheFramesOfTheCommandLine) {
  for (const std::string& uri : {title(), irregular()}) {
    SCOPED_TRACE(uri);
    const auto wanted = of_the_command_line(uri);
    GstTranscoder* transcoder =
        gst_transcoder_new(uri.c_str(), file("other.mkv").c_str(), kProfile);
    const Ref<GstElement> pipeline(gst_transcoder_get_pipeline(transcoder));
    const Ref<GstElement> made = made_filter("whole");
    g_object_set(pipeline.get(), "video-filter", made.get(), nullptr);
    GError* error = nullptr;
    EXPECT_TRUE(gst_transcoder_run(transcoder, &error)) << (error ? error->message : "");
    g_clear_error(&error);
    gst_object_unref(transcoder);
    EXPECT_EQ(frames_of_file(file("other.mkv")), wanted);
  }
}

}  // namespace
}  // namespace latentsync::test
