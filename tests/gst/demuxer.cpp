#include "tests/gst/demuxer.h"

namespace latentsync::test {
namespace {

Ref<GstPad> new_pad(const char* name, GstPadDirection direction) {
  return Ref<GstPad>(GST_PAD(gst_object_ref_sink(gst_pad_new(name, direction))));
}

/// PAD in place of the feeder's.
void replace(Rig& rig, Feeder& feeder, const char* name, GstPad* pad) {
  const Ref<GstPad> sink(gst_element_get_static_pad(rig.element(), name));
  gst_pad_unlink(feeder.pad(), sink.get());
  EXPECT_EQ(gst_pad_link(pad, sink.get()), GST_PAD_LINK_OK);
}

void begin(GstPad* pad, const std::string& caps) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(pad, gst_event_new_stream_start(GST_PAD_NAME(pad)));
  gst_pad_push_event(pad, gst_event_new_caps(caps_of(caps).get()));
  gst_pad_push_event(pad, gst_event_new_segment(&segment));
}

}  // namespace

Demuxer::Demuxer(Rig& rig, Script script)
    : script_(std::move(script)),
      source_(new_pad("source", GST_PAD_SRC)),
      sink_(new_pad("sink", GST_PAD_SINK)),
      video_(new_pad("video", GST_PAD_SRC)),
      audio_(new_pad("audio", GST_PAD_SRC)) {
  GstElement* element = gst_bin_new("demuxer");
  gst_bin_add(GST_BIN(rig.pipeline()), element);
  gst_pad_set_element_private(sink_.get(), this);
  gst_pad_set_chain_function(sink_.get(), &Demuxer::chain);
  gst_pad_set_event_function(sink_.get(), &Demuxer::drop);
  for (const auto& pad : {sink_.get(), video_.get(), audio_.get()}) {
    gst_element_add_pad(element, pad);
  }
  EXPECT_EQ(gst_pad_link(source_.get(), sink_.get()), GST_PAD_LINK_OK);
  replace(rig, rig.video, "video_sink", video_.get());
  replace(rig, rig.audio, "audio_sink", audio_.get());
  gst_pad_set_active(source_.get(), TRUE);
}

Demuxer::~Demuxer() { gst_pad_set_active(source_.get(), FALSE); }

void Demuxer::start(const Clip& clip) {
  begin(source_.get(), "test/x-any");
  begin(video_.get(), clip.picture.caps());
  begin(audio_.get(), audio_caps(clip.audio_format));
  thread_ = std::jthread([this] { gst_pad_push(source_.get(), gst_buffer_new()); });
}

void Demuxer::push_frame(const Clip& clip, const FrameSpec& spec) {
  gst_pad_push(video_.get(), make_frame(clip.picture, spec).release());
}

void Demuxer::push_video(GstEvent* event) { gst_pad_push_event(video_.get(), event); }
void Demuxer::push_audio(GstEvent* event) { gst_pad_push_event(audio_.get(), event); }

void Demuxer::push_second(const Clip& clip, int64_t second) {
  const int64_t at = 16000 * second;
  gst_pad_push(audio_.get(), make_audio(clip.audio_format, at, 16000, audio_time(at)).release());
}

void Demuxer::eos() {
  gst_pad_push_event(audio_.get(), gst_event_new_eos());
  gst_pad_push_event(video_.get(), gst_event_new_eos());
}

GstFlowReturn Demuxer::chain(GstPad* pad, GstObject*, GstBuffer* buffer) {
  gst_buffer_unref(buffer);
  auto* self = static_cast<Demuxer*>(gst_pad_get_element_private(pad));
  self->script_(*self);
  return GST_FLOW_OK;
}

gboolean Demuxer::drop(GstPad*, GstObject*, GstEvent* event) {
  gst_event_unref(event);
  return TRUE;
}

}  // namespace latentsync::test
