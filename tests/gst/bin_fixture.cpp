#include "tests/gst/bin_fixture.h"

namespace latentsync::test {

std::string BinTest::line(const std::string& properties) {
  return "uridecodebin uri=" + title() +
         " : videoconvert ! latentsyncbin name=l model-path=fake: " + properties +
         " ! fakesink name=s sync=false";
}

std::string BinTest::reference(const std::string& properties) {
  return "latentsync name=l model-path=fake: " + properties +
         " ! fakesink name=s sync=false uridecodebin uri=" + title() +
         " : videoconvert ! queue ! l.video_sink uridecodebin uri=" + speech() +
         " ! queue ! l.audio_sink";
}

Ref<GstPad> BinTest::sink_of(const Pipeline& pipeline) {
  return pad_of(pipeline.element("s").get());
}

std::vector<SeenFrame> BinTest::play(const std::string& text, size_t warnings) {
  Pipeline pipeline(text);
  const FrameRecorder recorder(sink_of(pipeline).get());
  EXPECT_TRUE(pipeline.play(std::chrono::seconds(20))) << text;
  EXPECT_EQ(pipeline.warnings().size(), warnings) << testing::PrintToString(pipeline.warnings());
  EXPECT_EQ(pipeline.errors(), std::vector<std::string>{});
  return recorder.frames();
}

std::vector<SeenFrame> BinTest::plain() {
  return play("uridecodebin uri=" + title() + " : videoconvert ! fakesink name=s sync=false");
}

bool BinTest::seek(const Pipeline& pipeline, int ms, int flags, double rate) {
  const gint64 time = ms * GST_MSECOND;
  const bool back = rate < 0;
  return gst_element_seek(pipeline.get(), rate, GST_FORMAT_TIME,
                          static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | flags), GST_SEEK_TYPE_SET,
                          back ? 0 : time, GST_SEEK_TYPE_SET, back ? time : -1);
}

}  // namespace latentsync::test
