#include "tests/gst/bin_fixture.h"

#include <gst/controller/gstdirectcontrolbinding.h>
#include <gst/controller/gstinterpolationcontrolsource.h>

/// latentsyncbin as an object: its properties, presets, pads, states and messages.
namespace latentsync::test {
namespace {

class Bin : public BinTest {};

// The same bytes and timestamps as of the element with a source at each pad, in both contexts.
TEST_F(Bin, FramesAreThoseOfTheElement) {
  for (const std::string context : {"audio-context=whole", "audio-context=sliding"}) {
    SCOPED_TRACE(context);
    const auto expected = play(reference(context));
    EXPECT_EQ(expected.size(), 100U);
    fake::reset();
    EXPECT_EQ(play(line("audio-uri=" + speech() + " " + context)), expected);
    expect_own_speech();
  }
}

// With whole audio they are those of the command line.
TEST_F(Bin, FramesAreThoseOfTheCommandLine) {
  const std::string whole = " audio-uri=" + speech() + " audio-context=whole";
  EXPECT_EQ(play(line(whole)), of_the_command_line());
  std::string other = line(whole);
  other.replace(other.find(title()), title().size(), irregular());
  EXPECT_EQ(play(other), of_the_command_line(irregular()));
}

// Each property of the element is one of the bin, with the same range and default, and is passed
// on; nothing is written twice that could differ.
TEST_F(Bin, HasTheElementsProperties) {
  const Ref<GstElement> bin(gst_element_factory_make("latentsyncbin", nullptr));
  const Ref<GstElement> element(gst_element_factory_make("latentsync", nullptr));
  guint count = 0;
  GParamSpec** specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element.get()), &count);
  int compared = 0;
  for (guint i = 0; i < count; ++i) {
    if (specs[i]->owner_type != G_OBJECT_TYPE(element.get())) continue;
    SCOPED_TRACE(specs[i]->name);
    GParamSpec* own = g_object_class_find_property(G_OBJECT_GET_CLASS(bin.get()), specs[i]->name);
    ASSERT_NE(own, nullptr);
    EXPECT_EQ(own->flags, specs[i]->flags);
    EXPECT_EQ(own->value_type, specs[i]->value_type);
    EXPECT_EQ(g_param_values_cmp(own, g_param_spec_get_default_value(own),
                                 g_param_spec_get_default_value(specs[i])),
              0);
    ++compared;
  }
  g_free(specs);
  EXPECT_GT(compared, 25);
  gst_util_set_object_arg(G_OBJECT(bin.get()), "lips-expression", "2.25");
  gst_util_set_object_arg(G_OBJECT(bin.get()), "silence", "rest");
  gdouble expression = 0;
  gint silence = 0;
  gst_child_proxy_get(GST_CHILD_PROXY(bin.get()), "latentsync::lips-expression", &expression,
                      "latentsync::silence", &silence, nullptr);
  EXPECT_EQ(expression, 2.25);
  EXPECT_EQ(silence, 1);
  gst_child_proxy_set(GST_CHILD_PROXY(bin.get()), "latentsync::lips-expression", 1.25, nullptr);
  g_object_get(bin.get(), "lips-expression", &expression, nullptr);
  EXPECT_EQ(expression, 1.25);
}

// What a control source says of a property of the bin holds for the window of that time.
TEST_F(Bin, AppliesItsControlSources) {
  Pipeline pipeline(line());
  const auto bin = pipeline.element("l");
  const Ref<GstObject> source(GST_OBJECT(gst_interpolation_control_source_new()));
  g_object_set(source.get(), "mode", GST_INTERPOLATION_MODE_NONE, nullptr);
  const double values[] = {0, 1, 0.5};
  for (int at = 0; at < 3; ++at) {
    gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(source.get()),
                                       at * 640 * GST_MSECOND, values[at]);
  }
  ASSERT_TRUE(gst_object_add_control_binding(
      GST_OBJECT(bin.get()),
      gst_direct_control_binding_new(GST_OBJECT(bin.get()), "lips-expression",
                                     GST_CONTROL_SOURCE(source.get()))));
  EXPECT_TRUE(pipeline.play(std::chrono::seconds(20)));
  const auto windows = fake::windows();
  ASSERT_GE(windows.size(), 3U);
  EXPECT_EQ(windows[0].settings.guidance_scale, 1);
  EXPECT_EQ(windows[1].settings.guidance_scale, 3);
  EXPECT_EQ(windows[2].settings.guidance_scale, 2);
}

// The presets of the element are the bin's.
TEST_F(Bin, HasTheElementsPresets) {
  g_setenv("GST_PRESET_PATH", LATENTSYNC_SOURCE_ROOT "/gst/presets", TRUE);
  const Ref<GstElement> bin(gst_element_factory_make("latentsyncbin", nullptr));
  const Ref<GstElement> element(gst_element_factory_make("latentsync", nullptr));
  gchar** names = gst_preset_get_preset_names(GST_PRESET(bin.get()));
  gchar** expected = gst_preset_get_preset_names(GST_PRESET(element.get()));
  ASSERT_NE(names, nullptr);
  EXPECT_GE(g_strv_length(names), 11U);
  EXPECT_TRUE(g_strv_equal(names, expected));
  g_strfreev(names);
  g_strfreev(expected);
  EXPECT_TRUE(gst_preset_load_preset(GST_PRESET(bin.get()), "music-video"));
  gdouble expression = 0;
  g_object_get(bin.get(), "lips-expression", &expression, nullptr);
  EXPECT_EQ(expression, 2.2);
}

// Without speech frames pass as they came, with one warning that says what to set; no model is
// loaded for it. The same bin with speech edits at its next start.
TEST_F(Bin, WithoutSpeechFramesPass) {
  const auto expected = plain();
  Pipeline pipeline(line(""));
  const FrameRecorder recorder(sink_of(pipeline).get());
  EXPECT_TRUE(pipeline.play(std::chrono::seconds(20)));
  EXPECT_EQ(recorder.frames(), expected);
  ASSERT_EQ(pipeline.warnings().size(), 1U);
  EXPECT_NE(pipeline.warnings()[0].text.find("Set audio-uri"), std::string::npos);
  EXPECT_EQ(fake::loads().size(), 0U);
  gst_element_set_state(pipeline.get(), GST_STATE_READY);
  g_object_set(pipeline.element("l").get(), "audio-uri", speech().c_str(), nullptr);
  EXPECT_TRUE(pipeline.play(std::chrono::seconds(20)));
  EXPECT_EQ(pipeline.warnings().size(), 1U);
  expect_own_speech();
}

struct BadSpeech {
  const char* uri;  ///< %V: a file without sound
  const char* words;
};
class BinWithBadSpeech : public Bin, public testing::WithParamInterface<BadSpeech> {
 protected:
  static std::string uri() {
    const std::string text = GetParam().uri;
    const size_t at = text.find("%V");
    return at == std::string::npos ? text : text.substr(0, at) + title() + text.substr(at + 2);
  }
};

// Speech that cannot be read is one warning that names it, and frames pass, or an error, as
// on-audio-error says; the property silence stays what the user set.
TEST_P(BinWithBadSpeech, IsToldOnce) {
  const auto expected = plain();
  Pipeline pipeline(line("silence=rest audio-uri=" + uri()));
  const FrameRecorder recorder(sink_of(pipeline).get());
  EXPECT_TRUE(pipeline.play(std::chrono::seconds(20)));
  EXPECT_EQ(recorder.frames(), expected);
  ASSERT_EQ(pipeline.warnings().size(), 1U) << testing::PrintToString(pipeline.warnings());
  EXPECT_NE(pipeline.warnings()[0].text.find(GetParam().words), std::string::npos)
      << pipeline.warnings()[0].text;
  EXPECT_NE(pipeline.warnings()[0].text.find("audio-uri"), std::string::npos);
  gint silence = 0;
  g_object_get(pipeline.element("l").get(), "silence", &silence, nullptr);
  EXPECT_EQ(silence, 1);

  Pipeline fatal(line("on-audio-error=error audio-uri=" + uri()));
  EXPECT_FALSE(fatal.play(std::chrono::seconds(20)));
  ASSERT_EQ(fatal.errors().size(), 1U);
  EXPECT_NE(fatal.errors()[0].find(GetParam().words), std::string::npos) << fatal.errors()[0];

  const auto silent = play(line("on-audio-error=silence audio-uri=" + uri()), 1);
  EXPECT_EQ(numbers_of(silent), numbers_of(expected));
  EXPECT_NE(silent, expected) << "edited with silence";
}
INSTANTIATE_TEST_SUITE_P(
    , BinWithBadSpeech,
    testing::Values(BadSpeech{"file:///nowhere/speech.wav", "/nowhere/speech.wav"},
                    BadSpeech{"nowhere:speech", "handler"}, BadSpeech{"%V", "no audio"},
                    BadSpeech{"file:///etc/passwd", "cannot be read"}));

// A stream that the file does not have is reported with the number of those that it has.
TEST_F(Bin, AudioStreamThatIsNotThereIsTold) {
  Pipeline pipeline(line("audio-stream=1 audio-uri=" + speech()));
  EXPECT_TRUE(pipeline.play(std::chrono::seconds(20)));
  ASSERT_EQ(pipeline.warnings().size(), 1U);
  EXPECT_NE(pipeline.warnings()[0].text.find("1 audio stream"), std::string::npos)
      << pipeline.warnings()[0].text;
}

// Speech by the pad audio-sink gives the same frames; the pad comes and goes.
TEST_F(Bin, AnApplicationMayBringTheSpeech) {
  const auto expected = play(reference("audio-context=whole"));
  const auto frames = play(line("audio-context=whole") + " uridecodebin uri=" + speech() +
                           " ! queue ! l.audio-sink");
  EXPECT_EQ(frames, expected);
  const Ref<GstElement> bin(gst_element_factory_make("latentsyncbin", nullptr));
  for (int i = 0; i < 3; ++i) {
    const Ref<GstPad> pad(gst_element_request_pad_simple(bin.get(), "audio-sink"));
    ASSERT_TRUE(pad);
    gst_element_release_request_pad(bin.get(), pad.get());
  }
}

// After READY and after NULL the frames are the same again.
TEST_F(Bin, MayBeRestarted) {
  Pipeline pipeline(line());
  const FrameRecorder recorder(sink_of(pipeline).get());
  ASSERT_TRUE(pipeline.play(std::chrono::seconds(20)));
  std::vector<SeenFrame> before = recorder.frames();
  for (const GstState state : {GST_STATE_READY, GST_STATE_NULL, GST_STATE_READY}) {
    gst_element_set_state(pipeline.get(), state);
    const size_t count = recorder.frames().size();
    ASSERT_TRUE(pipeline.play(std::chrono::seconds(20)));
    const auto all = recorder.frames();
    EXPECT_EQ(std::vector(all.begin() + static_cast<ptrdiff_t>(count), all.end()), before);
  }
  expect_own_speech();
}

// What goes through audio-filter is what is heard, and the filter may be used again.
TEST_F(Bin, AudioFilterIsHeard) {
  Pipeline pipeline(line());
  const Ref<GstElement> filter(
      GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("volume", nullptr))));
  g_object_set(filter.get(), "volume", 0.5, nullptr);
  g_object_set(pipeline.element("l").get(), "audio-filter", filter.get(), nullptr);
  for (int i = 0; i < 2; ++i) {
    fake::reset();
    ASSERT_TRUE(pipeline.play(std::chrono::seconds(20)));
    const auto windows = fake::windows();
    ASSERT_FALSE(windows.empty());
    const fake::WindowRecord& last = windows.back();
    const int64_t index = last.times.front() / 62500 + 8 - last.audio_start;
    const int value = static_cast<int>(last.audio[static_cast<size_t>(index)] * 32768.0F);
    EXPECT_NEAR(value, (kFirstSample + last.times.front() / 1'000'000) / 2, 1);
    gst_element_set_state(pipeline.get(), GST_STATE_READY);
  }
  EXPECT_EQ(GST_OBJECT_PARENT(filter.get()), nullptr);
}

// The video decides how long it is and whether it can be sought; the messages of what reads the
// speech do not reach the application.
TEST_F(Bin, TheSpeechSourceStaysInside) {
  Pipeline pipeline(line());
  ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
  gint64 duration = 0;
  EXPECT_TRUE(gst_element_query_duration(pipeline.get(), GST_FORMAT_TIME, &duration));
  EXPECT_EQ(duration, 4 * static_cast<gint64>(GST_SECOND));
  const Ref<GstQuery> query(gst_query_new_seeking(GST_FORMAT_TIME));
  EXPECT_TRUE(gst_element_query(pipeline.get(), query.get()));
  gboolean seekable = FALSE;
  gst_query_parse_seeking(query.get(), nullptr, &seekable, nullptr, nullptr);
  EXPECT_TRUE(seekable);
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const Ref<GstBus> bus(gst_element_get_bus(pipeline.get()));
  const auto bin = pipeline.element("l");
  int windows = 0;
  while (const Ref<GstMessage> message{gst_bus_timed_pop(bus.get(), 10 * GST_SECOND)}) {
    if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS) break;
    GstObject* source = GST_MESSAGE_SRC(message.get());
    const bool inside = gst_object_has_as_ancestor(source, GST_OBJECT(bin.get()));
    const bool outside = gst_object_has_as_ancestor(source, GST_OBJECT(pipeline.get()));
    EXPECT_TRUE(inside || outside || source == GST_OBJECT(pipeline.get()))
        << GST_OBJECT_NAME(source);
    if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_TAG) {
      EXPECT_FALSE(inside);
    }
    windows += gst_message_has_name(message.get(), "latentsync-window");
  }
  EXPECT_EQ(windows, 7);
}

// Nothing is kept: the bin, the element inside and its pads are gone with the last reference.
TEST_F(Bin, IsFreed) {
  GWeakRef bin, element;
  {
    Pipeline pipeline(line());
    const auto l = pipeline.element("l");
    const Ref<GstElement> inside(gst_bin_get_by_name(GST_BIN(l.get()), "latentsync"));
    g_weak_ref_init(&bin, l.get());
    g_weak_ref_init(&element, inside.get());
    ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
    ASSERT_TRUE(seek(pipeline, 1000));
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    ASSERT_TRUE(wait_eos(pipeline));
  }
  for (GWeakRef* weak : {&bin, &element}) {
    GObject* object = static_cast<GObject*>(g_weak_ref_get(weak));
    EXPECT_EQ(object, nullptr);
    g_clear_object(&object);
    g_weak_ref_clear(weak);
  }
}

}  // namespace
}  // namespace latentsync::test
