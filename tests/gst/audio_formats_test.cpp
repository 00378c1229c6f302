#include "tests/gst/audio_outlet.h"
#include "tests/gst/clip.h"
#include "tests/gst/told.h"

#include <cmath>
#include <gst/audio/audio.h>
#include <numbers>

/// Audio of any rate, format and number of channels at audio_sink, as the engine gets it.
namespace latentsync::test {
namespace {

/// A quarter of a sample at the tone's steepest: GStreamer's resampler rounds its phases, to a
/// quarter of a sample at 8 kHz and to less at higher rates. A shift by one sample is 0.086 away.
constexpr double kPhase = 0.022;

/// What is played: a tone that swells and fades, so that a shift by a sample shows.
double tone(double seconds) {
  const double pi = std::numbers::pi;
  return 0.5 * std::sin(2 * pi * 440 * seconds) * (0.6 + 0.4 * std::sin(2 * pi * 3 * seconds));
}

struct Kind {
  std::string format = "S16LE";
  int rate = 48000;
  int channels = 2;
  std::string mask = "0x3";  ///< 0x0: the channels have no positions

  std::string caps() const {
    return "audio/x-raw,layout=interleaved,format=" + format + ",rate=" + std::to_string(rate) +
           ",channels=" + std::to_string(channels) +
           (channels > 1 ? ",channel-mask=(bitmask)" + mask : "");
  }
  GstClockTime time(int64_t frame) const {
    return gst_util_uint64_scale(static_cast<guint64>(frame), GST_SECOND,
                                 static_cast<guint64>(rate));
  }
};

/// Frames [begin, end) of the tone in all channels, with their times.
Ref<GstBuffer> tone_buffer(const Kind& kind, int64_t begin, int64_t end) {
  GstAudioInfo out, in;
  gst_audio_info_from_caps(&out, caps_of(kind.caps()).get());
  in = out;
  gst_audio_info_set_format(&in, GST_AUDIO_FORMAT_F64, kind.rate, kind.channels, out.position);
  std::vector<double> samples;
  for (int64_t frame = begin; frame < end; ++frame) {
    samples.insert(samples.end(), static_cast<size_t>(kind.channels),
                   tone(static_cast<double>(frame) / kind.rate));
  }
  const auto frames = static_cast<size_t>(end - begin);
  Ref<GstBuffer> buffer(
      gst_buffer_new_allocate(nullptr, frames * static_cast<size_t>(out.bpf), nullptr));
  GstMapInfo map;
  gst_buffer_map(buffer.get(), &map, GST_MAP_WRITE);
  GstAudioConverter* converter =
      gst_audio_converter_new(GST_AUDIO_CONVERTER_FLAG_NONE, &in, &out, nullptr);
  gpointer from = samples.data(), to = map.data;
  gst_audio_converter_samples(converter, GST_AUDIO_CONVERTER_FLAG_NONE, &from, frames, &to, frames);
  gst_audio_converter_free(converter);
  gst_buffer_unmap(buffer.get(), &map);
  GST_BUFFER_PTS(buffer.get()) = kind.time(begin);
  GST_BUFFER_DURATION(buffer.get()) = kind.time(end) - kind.time(begin);
  return buffer;
}

class AudioFormats : public ElementTest {
 protected:
  /// Buffers of CHUNK frames; 0: of lengths at random, one frame too.
  static void feed_tone(Feeder& audio, const Kind& kind, int64_t begin, int64_t end,
                        int64_t chunk) {
    std::minstd_rand random(7);
    for (int64_t at = begin; at < end;) {
      const int64_t length =
          chunk > 0 ? chunk : std::uniform_int_distribution<int64_t>(1, 900)(random);
      const int64_t next = std::min(at + length, end);
      audio.push(tone_buffer(kind, at, next));
      at = next;
    }
  }

  using Feed = std::function<void(Feeder&)>;
  /// All samples that the engine is given of what FEED sends.
  static std::vector<float> heard(const Kind& kind, const Feed& feed) {
    fake::reset();
    Rig rig(Mode::kNotLive, {{"audio-context", "whole"}});
    Clip clip;
    rig.start();
    rig.video.begin(clip.picture.caps());
    rig.audio.begin(kind.caps());
    feed(rig.audio);
    rig.audio.eos();
    feed_frames(rig.video, clip);
    rig.video.eos();
    EXPECT_TRUE(rig.wait_eos());
    EXPECT_EQ(rig.buffers(), clip.frames);
    return fake::whole_audio();
  }
  static std::vector<float> heard_tone(const Kind& kind, int64_t chunk) {
    return heard(kind, [&](Feeder& audio) { feed_tone(audio, kind, 0, kind.rate, chunk); });
  }

  /// The farthest from the tone that samples [begin, end) are.
  static double distance(const std::vector<float>& samples, size_t begin, size_t end,
                         double gain = 1) {
    double most = 0;
    for (size_t at = begin; at < std::min(end, samples.size()); ++at) {
      const double wanted = gain * tone(static_cast<double>(at) / 16000);
      most = std::max(most, std::abs(samples[at] - wanted));
    }
    return most;
  }
  /// The same for silence.
  static double loudest(const std::vector<float>& samples, size_t begin, size_t end) {
    double most = 0;
    for (size_t at = begin; at < std::min(end, samples.size()); ++at) {
      most = std::max(most, std::abs(static_cast<double>(samples[at])));
    }
    return most;
  }
};

// The samples that the engine is given do not depend on the cut into buffers, and each lies at its
// time.
TEST_F(AudioFormats, AreHeardAtTheirTimesHoweverTheyAreCut) {
  for (const Kind& kind :
       {Kind{}, Kind{"F32LE", 44100, 1}, Kind{"S16LE", 8000, 1}, Kind{"S32LE", 96000, 2},
        Kind{"F64LE", 22050, 6, "0x3f"}, Kind{"S24LE", 11025, 2}, Kind{"S16LE", 16000, 2}}) {
    SCOPED_TRACE(kind.caps());
    const std::vector<float> whole = heard_tone(kind, kind.rate);
    EXPECT_EQ(whole.size(), 16000u);
    EXPECT_LT(distance(whole, 100, 15900), kPhase);
    EXPECT_EQ(heard_tone(kind, 0), whole);
    EXPECT_EQ(heard_tone(kind, kind.rate / 100), whole);
    if (HasFailure()) return;
  }
}

// Every format that the pad takes.
TEST_F(AudioFormats, AreAllHeard) {
  const Ref<GstElement> element(
      GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("latentsync", nullptr))));
  const Ref<GstPad> pad(gst_element_get_static_pad(element.get(), "audio_sink"));
  const Ref<GstCaps> caps(gst_pad_get_pad_template_caps(pad.get()));
  const GValue* formats = gst_structure_get_value(gst_caps_get_structure(caps.get(), 0), "format");
  ASSERT_EQ(gst_value_list_get_size(formats), 30u);
  for (guint index = 0; index < gst_value_list_get_size(formats); ++index) {
    const Kind kind{g_value_get_string(gst_value_list_get_value(formats, index)), 32000, 2};
    SCOPED_TRACE(kind.format);
    const double step = kind.format.find('8') == 1 ? kPhase + 0.008 : kPhase;
    EXPECT_LT(distance(heard_tone(kind, 3200), 100, 15900), step);
  }
}

// Channels without positions count alike.
TEST_F(AudioFormats, ChannelsWithoutPositionsAreMixed) {
  EXPECT_LT(distance(heard_tone({"S16LE", 48000, 3, "0x0"}, 480), 100, 15900), kPhase);
  EXPECT_LT(distance(heard_tone({"F32LE", 16000, 12, "0x0"}, 160), 0, 16000), kPhase);
}

// Another format in mid-stream: what the first converter held back is not lost, and nothing moves.
TEST_F(AudioFormats, ChangeInMidStream) {
  const Kind first{"S16LE", 48000, 2}, second{"F32LE", 44100, 1}, third{"F32LE", 16000, 1};
  const auto play = [&](int64_t chunk) {
    return heard(first, [&](Feeder& audio) {
      feed_tone(audio, first, 0, 24000, chunk);
      audio.caps(second.caps());
      feed_tone(audio, second, 22050, 44100, chunk);
      audio.caps(third.caps());
      feed_tone(audio, third, 16000, 24000, chunk);
    });
  };
  const std::vector<float> samples = play(1000);
  EXPECT_EQ(samples.size(), 24000u);
  EXPECT_LT(distance(samples, 100, 7950), kPhase);
  EXPECT_LT(distance(samples, 8050, 15950), kPhase);
  EXPECT_LT(distance(samples, 16000, 24000), 0.001);
  // Where they meet each is faded by its own filter; neither is lost.
  EXPECT_LT(distance(samples, 7950, 8050), 0.1);
  EXPECT_EQ(play(0), samples);
}

// The same caps again are no news.
TEST_F(AudioFormats, TheSameAgainChangesNothing) {
  const Kind kind;
  const auto samples = heard(kind, [&](Feeder& audio) {
    feed_tone(audio, kind, 0, 20000, 480);
    audio.caps(kind.caps());
    feed_tone(audio, kind, 20000, 48000, 480);
  });
  EXPECT_EQ(samples, heard_tone(kind, 480));
}

// Holes, told by a timestamp, a GAP event and a GAP buffer, are silent, and what follows is at its
// own time.
TEST_F(AudioFormats, HolesAreSilent) {
  const Kind kind;
  for (const char* how : {"time", "discont", "event", "buffer"}) {
    SCOPED_TRACE(how);
    const std::string hole = how;
    const auto samples = heard(kind, [&](Feeder& audio) {
      feed_tone(audio, kind, 0, 24000, 480);
      if (hole == "event") audio.gap(kind.time(24000), kind.time(12000));
      if (hole == "buffer") {
        Ref<GstBuffer> gap = tone_buffer(kind, 24000, 36000);
        GST_BUFFER_FLAG_SET(gap.get(), GST_BUFFER_FLAG_GAP);
        audio.push(std::move(gap));
      }
      if (hole == "discont") {
        Ref<GstBuffer> next = tone_buffer(kind, 36000, 36480);
        GST_BUFFER_FLAG_SET(next.get(), GST_BUFFER_FLAG_DISCONT);
        audio.push(std::move(next));
      }
      feed_tone(audio, kind, hole == "discont" ? 36480 : 36000, 48000, 480);
    });
    EXPECT_EQ(samples.size(), 16000u);
    EXPECT_LT(distance(samples, 100, 7950), kPhase);
    EXPECT_LT(loudest(samples, 8050, 11950), 0.001);
    EXPECT_LT(distance(samples, 12050, 15900), kPhase);
  }
}

// Timestamps that a container rounded to milliseconds are no holes.
TEST_F(AudioFormats, RoundedTimesAreContiguous) {
  const Kind kind{"S16LE", 44100, 2};
  const auto samples = heard(kind, [&](Feeder& audio) {
    for (int64_t at = 0; at < 44100; at += 1024) {
      Ref<GstBuffer> buffer = tone_buffer(kind, at, std::min<int64_t>(at + 1024, 44100));
      GST_BUFFER_PTS(buffer.get()) = GST_BUFFER_PTS(buffer.get()) / GST_MSECOND * GST_MSECOND;
      audio.push(std::move(buffer));
    }
  });
  EXPECT_EQ(samples, heard_tone(kind, 1024));
}

// A flush forgets what the converter holds: nothing of it is heard after.
TEST_F(AudioFormats, FlushesForgetWhatIsHeld) {
  Rig rig(Mode::kNotLive, {{"audio-context", "whole"}});
  const Kind kind;
  Clip clip;
  rig.start();
  rig.video.begin(clip.picture.caps());
  rig.audio.begin(kind.caps());
  feed_tone(rig.audio, kind, 0, 10000, 480);
  ASSERT_TRUE(rig.audio.wait_idle());
  rig.audio.flush_start();
  rig.audio.flush_stop();
  rig.audio.segment(segment_at(0));
  feed_tone(rig.audio, kind, 24000, 48000, 480);
  rig.audio.eos();
  feed_frames(rig.video, clip);
  rig.video.eos();
  ASSERT_TRUE(rig.wait_eos());
  const std::vector<float> samples = fake::whole_audio();
  EXPECT_EQ(loudest(samples, 0, 8000), 0);
  EXPECT_LT(distance(samples, 8050, 15900), kPhase);
}

// What leaves by audio_src is what came, not what the engine is given.
TEST_F(AudioFormats, LeaveAsTheyCame) {
  Rig rig;
  AudioOutlet outlet(rig);
  const Kind kind{"S24LE", 44100, 6, "0x3f"};
  rig.start();
  rig.audio.begin(kind.caps());
  std::vector<GstBuffer*> fed;
  for (int64_t at = 0; at < 44100; at += 4410) {
    Ref<GstBuffer> buffer = tone_buffer(kind, at, at + 4410);
    fed.push_back(buffer.get());
    rig.audio.push(std::move(buffer));
  }
  rig.audio.eos();
  ASSERT_TRUE(outlet.wait_eos());
  const std::vector<Output> outputs = outlet.take();
  GstCaps* caps = nullptr;
  gst_event_parse_caps(events_of(outputs, GST_EVENT_CAPS).at(0), &caps);
  EXPECT_TRUE(gst_caps_is_equal(caps, caps_of(kind.caps()).get()));
  std::vector<GstBuffer*> left;
  for (const Output& output : outputs) {
    if (output.buffer) left.push_back(output.buffer.get());
  }
  EXPECT_EQ(left, fed);
}

// The caps of audio_sink are what the neighbour of audio_src can do, and anything without it.
TEST_F(AudioFormats, AreNegotiatedWithTheNeighbour) {
  Rig rig;
  const auto accepts = [&](const char* caps) {
    return gst_pad_peer_query_accept_caps(rig.audio.pad(), caps_of(caps).get()) != FALSE;
  };
  EXPECT_TRUE(
      accepts("audio/x-raw,format=S16BE,rate=192000,channels=2,layout=interleaved,"
              "channel-mask=(bitmask)3"));
  EXPECT_FALSE(
      accepts("audio/x-raw,format=S16LE,rate=48000,channels=2,layout=non-interleaved,"
              "channel-mask=(bitmask)3"));
  AudioOutlet outlet(rig);
  const Ref<GstPad> peer(gst_pad_get_peer(outlet.source()));
  gst_pad_use_fixed_caps(peer.get());
  gst_pad_set_caps(peer.get(), caps_of("audio/x-raw,format=S16LE,rate=44100,channels=1,"
                                       "layout=interleaved")
                                   .get());
  const Ref<GstCaps> offered(gst_pad_peer_query_caps(rig.audio.pad(), nullptr));
  EXPECT_TRUE(gst_caps_can_intersect(offered.get(), caps_of("audio/x-raw,rate=44100").get()));
}

// Audio without caps is an error that says so.
TEST_F(AudioFormats, MustBeTold) {
  Rig rig;
  rig.start();
  rig.audio.push(gst_event_new_stream_start("test/audio"));
  rig.audio.segment(segment_at(0));
  rig.audio.push(tone_buffer({}, 0, 480));
  ASSERT_TRUE(rig.wait_message(GST_MESSAGE_ERROR));
  EXPECT_NE(sentences_of(rig, GST_MESSAGE_ERROR).at(0).find("without caps"), std::string::npos);
}

}  // namespace
}  // namespace latentsync::test
