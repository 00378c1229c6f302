#include "tests/gst/numbered_media.h"
#include "tests/gst/pipeline.h"
#include "tests/gst/told.h"

#include <gst/controller/gstdirectcontrolbinding.h>
#include <gst/controller/gstinterpolationcontrolsource.h>
#include <random>

/// latentsyncbin in pipelines of its own: the same frames as of the element, whatever takes the
/// video where it is.
namespace latentsync::test {
namespace {

class Bin : public ElementTest {
 protected:
  static void SetUpTestSuite() {
    media_ = std::make_unique<NumberedMedia>();
    video_ = media_->video_uri("title.mp4", 0, 100);
    speech_ = media_->speech_uri("speech.wav", 12000);
  }
  static void TearDownTestSuite() { media_.reset(); }

  /// A file through the bin; PROPERTIES in place of the speech's URI.
  static std::string line(const std::string& properties) {
    return "uridecodebin uri=" + video_ +
           " : videoconvert ! latentsyncbin name=l model-path=fake: " + properties +
           " ! fakesink name=s sync=false";
  }
  static std::string line() { return line("audio-uri=" + speech_); }
  /// The same with the element's two pads.
  static std::string reference(const std::string& properties) {
    return "latentsync name=l model-path=fake: " + properties +
           " ! fakesink name=s sync=false uridecodebin uri=" + video_ +
           " : videoconvert ! queue ! l.video_sink uridecodebin uri=" + speech_ +
           " ! queue ! l.audio_sink";
  }
  static Ref<GstPad> sink_of(const Pipeline& pipeline) {
    const auto sink = pipeline.element("s");
    return Ref<GstPad>(gst_element_get_static_pad(sink.get(), "sink"));
  }
  /// All frames of a line; nothing is posted but WARNINGS.
  static std::vector<SeenFrame> play(const std::string& text, size_t warnings = 0) {
    Pipeline pipeline(text);
    const FrameRecorder recorder(sink_of(pipeline).get());
    EXPECT_TRUE(pipeline.play(std::chrono::seconds(20))) << text;
    EXPECT_EQ(pipeline.warnings().size(), warnings) << testing::PrintToString(pipeline.warnings());
    EXPECT_EQ(pipeline.errors(), std::vector<std::string>{});
    return recorder.frames();
  }
  static std::vector<SeenFrame> plain() {
    return play("uridecodebin uri=" + video_ + " : videoconvert ! fakesink name=s sync=false");
  }
  static bool change(const Pipeline& pipeline, GstState state) {
    gst_element_set_state(pipeline.get(), state);
    return gst_element_get_state(pipeline.get(), nullptr, nullptr, 10 * GST_SECOND) ==
           GST_STATE_CHANGE_SUCCESS;
  }
  static bool seek(const Pipeline& pipeline, int ms, int flags = GST_SEEK_FLAG_ACCURATE,
                   double rate = 1) {
    const gint64 time = ms * GST_MSECOND;
    const bool back = rate < 0;
    return gst_element_seek(pipeline.get(), rate, GST_FORMAT_TIME,
                            static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | flags),
                            GST_SEEK_TYPE_SET, back ? 0 : time, GST_SEEK_TYPE_SET,
                            back ? time : -1);
  }
  static bool wait_preroll(const Pipeline& pipeline) {
    return gst_element_get_state(pipeline.get(), nullptr, nullptr, 10 * GST_SECOND) ==
           GST_STATE_CHANGE_SUCCESS;
  }
  static bool wait_eos(const Pipeline& pipeline) {
    const Ref<GstBus> bus(gst_element_get_bus(pipeline.get()));
    const Ref<GstMessage> message(gst_bus_timed_pop_filtered(
        bus.get(), 10 * GST_SECOND,
        static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
    return message && GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS;
  }
  static void expect_ascending(const std::vector<SeenFrame>& frames) {
    for (size_t i = 1; i < frames.size(); ++i) {
      EXPECT_EQ(frames[i].number, frames[i - 1].number + 1) << "after " << i;
    }
  }

  static std::unique_ptr<NumberedMedia> media_;
  static std::string video_;
  static std::string speech_;
};
std::unique_ptr<NumberedMedia> Bin::media_;
std::string Bin::video_;
std::string Bin::speech_;

// The same bytes and timestamps as of the element with a source at each pad, in both contexts.
TEST_F(Bin, FramesAreThoseOfTheElement) {
  for (const std::string context : {"audio-context=whole", "audio-context=sliding"}) {
    SCOPED_TRACE(context);
    const auto expected = play(reference(context));
    EXPECT_EQ(expected.size(), 100U);
    fake::reset();
    EXPECT_EQ(play(line("audio-uri=" + speech_ + " " + context)), expected);
    expect_own_speech();
  }
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
  g_object_set(pipeline.element("l").get(), "audio-uri", speech_.c_str(), nullptr);
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
    return at == std::string::npos ? text : text.substr(0, at) + video_ + text.substr(at + 2);
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
  Pipeline pipeline(line("audio-stream=1 audio-uri=" + speech_));
  EXPECT_TRUE(pipeline.play(std::chrono::seconds(20)));
  ASSERT_EQ(pipeline.warnings().size(), 1U);
  EXPECT_NE(pipeline.warnings()[0].text.find("1 audio stream"), std::string::npos)
      << pipeline.warnings()[0].text;
}

// Later for a positive offset, earlier for a negative one, in both contexts, from the start and
// after seeks.
TEST_F(Bin, AudioOffsetMovesTheSpeech) {
  for (const std::string context : {"whole", "sliding"}) {
    for (const int offset : {200, -200, 1500, -3000}) {
      SCOPED_TRACE(context + " " + std::to_string(offset));
      fake::reset();
      Pipeline pipeline(line("audio-uri=" + speech_ + " audio-context=" + context +
                             " audio-offset=" + std::to_string(offset * GST_MSECOND)));
      ASSERT_TRUE(pipeline.play(std::chrono::seconds(20)));
      expect_own_speech(offset);
      ASSERT_TRUE(seek(pipeline, 2200));
      ASSERT_TRUE(wait_eos(pipeline));
      expect_own_speech(offset);
    }
  }
}

// With whole audio the bytes with an offset are those of audio whose timestamps are that much
// later.
TEST_F(Bin, AudioOffsetIsThatOfThePad) {
  Pipeline pipeline(reference("audio-context=whole"));
  const auto element = pipeline.element("l");
  const Ref<GstPad> pad(gst_element_get_static_pad(element.get(), "audio_sink"));
  gst_pad_set_offset(pad.get(), 500 * GST_MSECOND);
  const FrameRecorder recorder(sink_of(pipeline).get());
  ASSERT_TRUE(pipeline.play(std::chrono::seconds(20)));
  EXPECT_EQ(play(line("audio-context=whole audio-offset=500000000 audio-uri=" + speech_)),
            recorder.frames());
}

// An offset that is set while playing holds from the next frames on, and never for frames before.
TEST_F(Bin, AudioOffsetMayChange) {
  for (const std::string context : {"whole", "sliding"}) {
    SCOPED_TRACE(context);
    fake::reset();
    Pipeline pipeline(line("audio-uri=" + speech_ + " audio-context=" + context));
    ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
    g_object_set(pipeline.element("l").get(), "audio-offset", gint64{400} * GST_MSECOND, nullptr);
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    ASSERT_TRUE(wait_eos(pipeline));
    int late = 0;
    for (const Heard& one : heard()) {
      const bool own = std::abs(one.ms - one.number * 40) <= 2;
      const bool later = std::abs(one.ms - one.number * 40 + 400) <= 2;
      EXPECT_TRUE(own || later) << one.number << " heard " << one.ms;
      EXPECT_FALSE(own && late > 0) << one.number;
      late += later;
    }
    EXPECT_GT(late, 30);
    const size_t before = heard().size();
    ASSERT_TRUE(seek(pipeline, 1000));
    ASSERT_TRUE(wait_eos(pipeline));
    const auto all = heard();
    for (size_t i = before; i < all.size(); ++i) {
      EXPECT_NEAR(all[i].ms, all[i].number * 40 - 400, 2) << all[i].number;
    }
  }
}

// The speech is that of the picture after seeks of any kind; a key frame seek goes to a key frame.
TEST_F(Bin, SpeechFollowsSeeks) {
  struct Case {
    int ms;
    int flags;
    int first;
  };
  const Case cases[] = {{1520, GST_SEEK_FLAG_ACCURATE, 38},
                        {1700, GST_SEEK_FLAG_KEY_UNIT, 40},
                        {1700, GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_BEFORE, 40},
                        {3300, GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_AFTER, 90},
                        {0, GST_SEEK_FLAG_ACCURATE, 0}};
  for (const std::string context : {"whole", "sliding"}) {
    for (const Case& one : cases) {
      SCOPED_TRACE(context + " " + std::to_string(one.ms) + " " + std::to_string(one.flags));
      fake::reset();
      Pipeline pipeline(line("audio-uri=" + speech_ + " audio-context=" + context));
      const FrameRecorder recorder(sink_of(pipeline).get());
      ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
      ASSERT_TRUE(seek(pipeline, one.ms, one.flags));
      ASSERT_TRUE(wait_preroll(pipeline));
      gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
      ASSERT_TRUE(wait_eos(pipeline));
      const auto frames = recorder.frames();
      ASSERT_FALSE(frames.empty());
      EXPECT_EQ(frames.front().number, one.first);
      EXPECT_EQ(frames.back().number, 99);
      expect_ascending(frames);
      expect_own_speech();
    }
  }
}

// Random seeks of all kinds in quick succession, some of them in PAUSED: no hang, no frame of the
// wrong place, and the speech is its own.
TEST_F(Bin, FiftyRandomSeeks) {
  watch(std::chrono::seconds(60));
  std::minstd_rand random(7);
  for (const std::string context : {"whole", "sliding"}) {
    SCOPED_TRACE(context);
    fake::reset();
    Pipeline pipeline(line("audio-uri=" + speech_ + " audio-context=" + context));
    const FrameRecorder recorder(sink_of(pipeline).get());
    ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
    bool playing = false;
    for (int i = 0; i < 50; ++i) {
      const int ms = static_cast<int>(random() % 98) * 40;
      const int flags = random() % 2 ? GST_SEEK_FLAG_KEY_UNIT : GST_SEEK_FLAG_ACCURATE;
      ASSERT_TRUE(seek(pipeline, ms, flags));
      if (random() % 3) {
        const size_t most = playing && ms < 3000 ? 20 : 1;
        ASSERT_TRUE(recorder.wait_frames(1 + random() % most)) << i << " " << ms;
        const auto frames = recorder.frames();
        if (!frames.empty()) EXPECT_LE(std::abs(frames.front().number * 40 - ms), 400);
        expect_ascending(frames);
      }
      if (random() % 4 == 0) {
        playing = random() % 2;
        gst_element_set_state(pipeline.get(), playing ? GST_STATE_PLAYING : GST_STATE_PAUSED);
      }
    }
    ASSERT_TRUE(seek(pipeline, 0));
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    ASSERT_TRUE(recorder.wait_frames(100));
    expect_ascending(recorder.frames());
    expect_own_speech();
  }
}

// Twice as fast the speech is still that of the picture; backwards frames pass unedited.
TEST_F(Bin, OtherRates) {
  Pipeline pipeline(line());
  const FrameRecorder recorder(sink_of(pipeline).get());
  ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
  ASSERT_TRUE(seek(pipeline, 400, GST_SEEK_FLAG_ACCURATE, 2));
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  ASSERT_TRUE(wait_eos(pipeline));
  expect_ascending(recorder.frames());
  EXPECT_EQ(recorder.frames().size(), 90U);
  expect_own_speech();
  const size_t windows = fake::windows().size();
  ASSERT_TRUE(seek(pipeline, 2000, GST_SEEK_FLAG_ACCURATE, -1));
  ASSERT_TRUE(wait_eos(pipeline));
  EXPECT_GE(recorder.frames().size(), 50U);
  EXPECT_EQ(fake::windows().size(), windows);
  ASSERT_TRUE(seek(pipeline, 1000));
  ASSERT_TRUE(wait_eos(pipeline));
  EXPECT_EQ(recorder.frames().size(), 75U);
  expect_own_speech();
}

// A loop of segments, without a flush between: each turn has the speech of its pictures.
TEST_F(Bin, SpeechFollowsSegmentLoops) {
  for (const std::string context : {"whole", "sliding"}) {
    SCOPED_TRACE(context);
    fake::reset();
    Pipeline pipeline(line("audio-uri=" + speech_ + " audio-context=" + context));
    const FrameRecorder recorder(sink_of(pipeline).get());
    const Ref<GstBus> bus(gst_element_get_bus(pipeline.get()));
    ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
    const auto go = [&](int flags) {
      return gst_element_seek(
          pipeline.get(), 1, GST_FORMAT_TIME,
          static_cast<GstSeekFlags>(flags | GST_SEEK_FLAG_SEGMENT | GST_SEEK_FLAG_ACCURATE),
          GST_SEEK_TYPE_SET, 400 * GST_MSECOND, GST_SEEK_TYPE_SET, 1600 * GST_MSECOND);
    };
    ASSERT_TRUE(go(GST_SEEK_FLAG_FLUSH));
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    for (int turn = 0; turn < 3; ++turn) {
      const Ref<GstMessage> done(gst_bus_timed_pop_filtered(
          bus.get(), 10 * GST_SECOND,
          static_cast<GstMessageType>(GST_MESSAGE_SEGMENT_DONE | GST_MESSAGE_ERROR)));
      ASSERT_TRUE(done && GST_MESSAGE_TYPE(done.get()) == GST_MESSAGE_SEGMENT_DONE) << turn;
      if (turn < 2) ASSERT_TRUE(go(0));
    }
    EXPECT_TRUE(recorder.wait_frames(90));
    expect_own_speech();
  }
}

// Speech by the pad audio-sink gives the same frames; the pad comes and goes.
TEST_F(Bin, AnApplicationMayBringTheSpeech) {
  const auto expected = play(reference("audio-context=whole"));
  const auto frames = play(line("audio-context=whole") + " uridecodebin uri=" + speech_ +
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

// Speech that ends before the video is silence from there on; one that is longer does not make the
// output longer.
TEST_F(Bin, ShortSpeechIsFollowedBySilence) {
  const std::string shorter = media_->speech_uri("short.wav", 1500);
  const auto frames = play(line("audio-uri=" + shorter));
  EXPECT_EQ(frames.size(), 100U);
  for (const Heard& one : heard()) {
    EXPECT_EQ(one.ms, one.number * 40 < 1500 ? one.ms : -1) << one.number;
  }
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
