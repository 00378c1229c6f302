#include "tests/gst/clip.h"

/// Pads that wait for each other, and what feeds them.
namespace latentsync::test {
namespace {

class Waiting : public ElementTest {};

/// In front of the element's PAD; in the rig's pipeline, and linked.
GstElement* insert(Rig& rig, const char* factory, Feeder& feeder, const char* pad) {
  GstElement* inserted = gst_element_factory_make(factory, nullptr);
  const Ref<GstObject> pipeline(gst_object_get_parent(GST_OBJECT(rig.element())));
  gst_bin_add(GST_BIN(pipeline.get()), inserted);
  const Ref<GstPad> sink(gst_element_get_static_pad(rig.element(), pad));
  const Ref<GstPad> in(gst_element_get_static_pad(inserted, "sink"));
  const Ref<GstPad> out(gst_element_get_static_pad(inserted, "src"));
  gst_pad_unlink(feeder.pad(), sink.get());
  EXPECT_EQ(gst_pad_link(feeder.pad(), in.get()), GST_PAD_LINK_OK);
  EXPECT_EQ(gst_pad_link(out.get(), sink.get()), GST_PAD_LINK_OK);
  return inserted;
}

// Audio that an element on its way works on for longer than 2 s is waited for: the user is told,
// once, and every frame is edited.
TEST_F(Waiting, ForAudioThatIsWorkedOnEditsEveryFrame) {
  Rig rig;
  GstElement* work = insert(rig, "identity", rig.audio, "audio_sink");
  rig.start();
  Clip clip;
  clip.frames = 100;
  clip.audio_end = 32000;
  rig.video.begin(clip.picture.caps());
  rig.audio.begin(audio_caps(clip.audio_format));
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
  EXPECT_TRUE(rig.audio.wait_idle());
  g_object_set(work, "sleep-time", 3'000'000u, nullptr);
  clip.chunk = 100000;
  clip.audio_begin = 32000;
  clip.audio_end = -1;
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
  EXPECT_EQ(rig.messages(GST_MESSAGE_WARNING).size(), 1u);
}

}  // namespace
}  // namespace latentsync::test
