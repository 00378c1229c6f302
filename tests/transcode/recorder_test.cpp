#include "examples/transcode/recorder.h"

#include "examples/transcode/stream_bins.h"
#include "tests/transcode/support.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numbers>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

using namespace transcode;

constexpr GstClockTime kFrame = 40 * GST_MSECOND;
constexpr int kEdge = 32;

struct Sum {
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t count = 0;
  void merge(const Sum& later) {
    last = later.last;
    count += later.count;
  }
};

// However long the stream is, its bins are bounded and hold all that was told, in order.
TEST(StreamBins, AreBoundedAndLoseNothing) {
  for (const uint64_t length : {1ULL, 100ULL, 101ULL, 5000ULL, 900000ULL}) {
    SCOPED_TRACE(length);
    StreamBins<Sum> bins(100, 7);
    for (uint64_t place = 0; place < length; ++place) {
      bins.add(place * 40, {place, place, 1});
    }
    const auto all = bins.all();
    EXPECT_LE(all.size(), 100u);
    EXPECT_GE(all.size(), std::min<uint64_t>(length, 40));
    uint64_t next = 0;
    for (const Sum& sum : all) {
      EXPECT_EQ(sum.first, next);
      EXPECT_EQ(sum.count, sum.last - sum.first + 1);
      next = sum.last + 1;
    }
    EXPECT_EQ(next, length);
  }
}

struct FrameTold {
  const char* outcome = "edited";
  double confidence = 0.9;
  std::optional<double> mouth = {};
};

class RecorderTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { gst_init(nullptr, nullptr); }

  RecorderTest() { gst_video_info_set_format(&info_, GST_VIDEO_FORMAT_RGB, kEdge, kEdge); }

  static Part whole() { return {0, 1000 * GST_SECOND, 0, 1000 * GST_SECOND}; }

  /// A frame of one grey.
  BufferPtr frame(guint64 number, guint8 grey) const {
    BufferPtr buffer(gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&info_), nullptr));
    gst_buffer_memset(buffer.get(), 0, grey, GST_VIDEO_INFO_SIZE(&info_));
    GST_BUFFER_PTS(buffer.get()) = number * kFrame;
    GST_BUFFER_DURATION(buffer.get()) = kFrame;
    return buffer;
  }

  /// A window's message about frames from FIRST on.
  static MessagePtr window(guint64 first, const std::vector<FrameTold>& frames, bool cached = false,
                           double denoise = 0.5) {
    GstStructure* structure =
        gst_structure_new("latentsync-window", "seconds", G_TYPE_DOUBLE, 1.0, "seconds-denoise",
                          G_TYPE_DOUBLE, denoise, "cached", G_TYPE_BOOLEAN, cached, "memory-peak",
                          G_TYPE_INT64, gint64(1000) + gint64(first), nullptr);
    GValue results = G_VALUE_INIT;
    gst_value_array_init(&results, guint(frames.size()));
    for (size_t at = 0; at < frames.size(); ++at) {
      GstStructure* told = gst_structure_new(
          "frame", "stream-time", G_TYPE_INT64, gint64((first + at) * kFrame), "outcome",
          G_TYPE_STRING, frames[at].outcome, "confidence", G_TYPE_DOUBLE, frames[at].confidence,
          "left", G_TYPE_DOUBLE, 8.0, "top", G_TYPE_DOUBLE, 8.0, "width", G_TYPE_DOUBLE, 16.0,
          "height", G_TYPE_DOUBLE, 16.0, nullptr);
      if (frames[at].mouth) {
        gst_structure_set(told, "mouth-opening", G_TYPE_DOUBLE, *frames[at].mouth, nullptr);
      }
      GValue value = G_VALUE_INIT;
      g_value_init(&value, GST_TYPE_STRUCTURE);
      g_value_take_boxed(&value, told);
      gst_value_array_append_and_take_value(&results, &value);
    }
    gst_structure_take_value(structure, "results", &results);
    return MessagePtr(gst_message_new_element(nullptr, structure));
  }

  void pass(Recorder& recorder, guint64 number) const {
    recorder.frame_in(frame(number, 50).get(), info_);
    recorder.frame_out(frame(number, 200).get(), info_);
  }

  GstVideoInfo info_;
};

// Each frame that comes out is counted once, with what became of it.
TEST_F(RecorderTest, CountsWhatBecameOfFrames) {
  Recorder recorder(whole());
  recorder.message(
      window(0,
             {{.mouth = 0.1}, {.outcome = "no-face"}, {.outcome = "implausible"}, {.mouth = 0.3}})
          .get());
  MessagePtr late(gst_message_new_qos(nullptr, TRUE, 0, 4 * kFrame, 4 * kFrame, kFrame));
  recorder.message(late.get());
  for (guint64 number = 0; number < 6; ++number) {
    pass(recorder, number);
  }
  const Recording recording = recorder.recording();
  EXPECT_EQ(recording.frames, 6u);
  EXPECT_EQ(recording.fates, (std::array<guint64, kFates>{2, 1, 1, 2}));
  EXPECT_EQ(recording.late, 1u);
  EXPECT_EQ(recording.length, 6 * kFrame);
  ASSERT_EQ(recording.runs.size(), 6u);
  EXPECT_EQ(recording.runs[4].late, 1u);
  EXPECT_EQ(recording.runs[2].frames[size_t(FrameFate::kImplausible)], 1u);
  ASSERT_EQ(recording.mouth.size(), 2u);
  EXPECT_DOUBLE_EQ(recording.mouth[1].mean(), 0.3);
  EXPECT_EQ(recording.mouth[1].begin, 3 * kFrame);
}

// What is rendered for its neighbours' sake only is left out, and times count from the part's
// first frame.
TEST_F(RecorderTest, LeavesOutWhatIsNotOfThePart) {
  Recorder recorder({4 * kFrame, 8 * kFrame, 0, 10 * kFrame});
  recorder.message(window(0, std::vector<FrameTold>(4)).get());
  recorder.message(window(4, std::vector<FrameTold>(6, {.mouth = 0.2})).get());
  for (guint64 number = 0; number < 10; ++number) {
    pass(recorder, number);
  }
  const Recording recording = recorder.recording();
  EXPECT_EQ(recording.frames, 4u);
  EXPECT_EQ(recording.begin, 4 * kFrame);
  EXPECT_EQ(recording.length, 4 * kFrame);
  EXPECT_EQ(recording.windows, 1u);
  ASSERT_EQ(recording.costs.size(), 1u);
  EXPECT_EQ(recording.costs[0].begin, 0u);
  EXPECT_EQ(recording.costs[0].end, 4 * kFrame);
  EXPECT_EQ(recording.mouth.front().begin, 0u);
}

// Windows have their stages, their memory beside the plan that was in force, and the cache's hits.
TEST_F(RecorderTest, AddsUpWindows) {
  Recorder recorder(whole());
  const auto plan = [&](gint64 peak) {
    recorder.message(
        MessagePtr(
            gst_message_new_element(
                nullptr, gst_structure_new("latentsync-plan", "device", G_TYPE_STRING, "cpu",
                                           "rung", G_TYPE_STRING, "vae-tiles", "peak", G_TYPE_INT64,
                                           peak, "budget", G_TYPE_INT64, gint64(5000), nullptr)))
            .get());
  };
  plan(2000);
  recorder.message(window(0, std::vector<FrameTold>(4)).get());
  plan(1500);
  recorder.message(window(4, std::vector<FrameTold>(4), true, 0).get());
  const Recording recording = recorder.recording();
  EXPECT_EQ(recording.windows, 2u);
  EXPECT_EQ(recording.cached_windows, 1u);
  ASSERT_EQ(recording.costs.size(), 2u);
  EXPECT_DOUBLE_EQ(recording.costs[0].stages[3], 0.5);
  EXPECT_EQ(recording.costs[0].memory_planned, 2000);
  EXPECT_EQ(recording.costs[1].memory_planned, 1500);
  EXPECT_EQ(recording.costs[1].cached, 1u);
  EXPECT_EQ(recording.memory_peak, 1004);
  EXPECT_EQ(recording.plan.rung, "vae-tiles");
  EXPECT_EQ(recording.plan.budget, 5000);
  EXPECT_EQ(recording.plan.total, -1);
}

/// The mean of a picture's luma, 0 to 255.
double grey_of(const std::string& jpeg) {
  const std::string file = (empty_folder() / "picture.jpg").string();
  std::ofstream(file, std::ios::binary) << jpeg;
  // Not one pixel of a picture that FFmpeg makes small: it takes the range for another one then.
  return std::atof(run_process("ffmpeg -v error -i " + file +
                               " -f rawvideo -pix_fmt gray - | od -An -v -tu1 | awk '{for (i = 1; "
                               "i <= NF; i++) {sum += $i; n++}} END {print sum / n}'")
                       .output.c_str());
}

// Pictures are pairs of one frame, evenly spaced, not many; the least certain edited frame is among
// them, wherever it is.
TEST_F(RecorderTest, KeepsEvenlySpacedPicturesAndTheWorst) {
  constexpr guint64 kFrames = 1000;
  constexpr guint64 kWorst = 777;
  Recorder recorder(whole());
  for (guint64 number = 0; number < kFrames; ++number) {
    const bool none = number == 500;
    recorder.message(window(number, {{.outcome = none ? "no-face" : "edited",
                                      .confidence = none               ? 0
                                                    : number == kWorst ? 0.6
                                                                       : 0.95}})
                         .get());
    pass(recorder, number);
  }
  const Recording recording = recorder.recording();
  ASSERT_GE(recording.faces.size(), 9u);
  ASSERT_LE(recording.faces.size(), 16u);
  const PicturePair& worst = recording.faces.back();
  EXPECT_TRUE(worst.least_certain);
  EXPECT_EQ(worst.time, kWorst * kFrame);
  EXPECT_EQ(worst.confidence, 0.6);
  const GstClockTime step = recording.faces[1].time;
  for (size_t at = 0; at + 1 < recording.faces.size(); ++at) {
    EXPECT_EQ(recording.faces[at].time, at * step);
    EXPECT_FALSE(recording.faces[at].least_certain);
  }
  for (const PicturePair& pair : {recording.faces[3], worst, recording.whole.at(0)}) {
    EXPECT_NEAR(grey_of(pair.before), 50, 4);
    EXPECT_NEAR(grey_of(pair.after), 200, 4);
  }
}

// An hour takes no more memory than a minute: every list is as long as it may be, and no longer.
TEST_F(RecorderTest, IsBounded) {
  constexpr guint64 kFrames = 90000;
  Recorder recorder({0, 10000 * GST_SECOND, 0, 10000 * GST_SECOND});
  for (guint64 number = 0; number < kFrames; number += 15) {
    recorder.message(window(number, std::vector<FrameTold>(15, {.mouth = 0.2})).get());
    for (guint64 at = 0; at < 15; ++at) {
      // Not each frame has a picture here, for the test's own speed.
      if (at == 0) {
        recorder.frame_in(frame(number, 50).get(), info_);
      }
      recorder.frame_out(frame(number + at, 200).get(), info_);
    }
  }
  const Recording recording = recorder.recording();
  EXPECT_EQ(recording.frames, kFrames);
  for (const size_t size : {recording.runs.size(), recording.mouth.size()}) {
    EXPECT_LE(size, 1200u);
    EXPECT_GE(size, 500u);
  }
  EXPECT_LE(recording.costs.size(), 160u);
  EXPECT_LE(recording.faces.size(), 16u);
  EXPECT_EQ(recording.fates[size_t(FrameFate::kEdited)], kFrames);
}

struct Sound {
  GstAudioFormat format;
  int channels;
};

class Loudness : public testing::TestWithParam<Sound> {};

/// A sine of half of full scale: -9 dB.
template <typename Sample>
BufferPtr sine(int channels, double scale) {
  std::vector<Sample> samples;
  for (int at = 0; at < 4800; ++at) {
    const double value = 0.5 * std::sin(2 * std::numbers::pi * 440 * at / 48000.);
    samples.insert(samples.end(), size_t(channels), Sample(std::lround(value * scale * 4) / 4.));
  }
  return BufferPtr(gst_buffer_new_memdup(samples.data(), samples.size() * sizeof(Sample)));
}

// A sine has the level of a sine in any format and number of channels, a block for each 20 ms.
TEST_P(Loudness, IsThatOfTheSamples) {
  const Sound sound = GetParam();
  GstAudioInfo info;
  gst_audio_info_set_format(&info, sound.format, 48000, sound.channels, nullptr);
  const BufferPtr buffer = sound.format == GST_AUDIO_FORMAT_S16
                               ? sine<gint16>(sound.channels, 32767)
                               : sine<float>(sound.channels, 1e6);
  if (sound.format == GST_AUDIO_FORMAT_F32) {
    GstMapInfo map;
    gst_buffer_map(buffer.get(), &map, GST_MAP_READWRITE);
    for (gsize at = 0; at < map.size / sizeof(float); ++at) {
      reinterpret_cast<float*>(map.data)[at] /= 1e6F;
    }
    gst_buffer_unmap(buffer.get(), &map);
  }
  std::vector<Level> blocks;
  LoudnessMeter meter([&](GstClockTime begin, GstClockTime end, double level) {
    blocks.push_back(Level::of(begin, end, level));
  });
  meter.add(buffer.get(), info, GST_SECOND);
  meter.finish();
  ASSERT_EQ(blocks.size(), 5u);
  for (size_t at = 0; at < blocks.size(); ++at) {
    EXPECT_NEAR(double(blocks[at].begin), double(GST_SECOND + at * 20 * GST_MSECOND), 1e5);
    EXPECT_NEAR(blocks[at].most, -9.03, 0.3);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, Loudness,
                         testing::Values(Sound{GST_AUDIO_FORMAT_S16, 1},
                                         Sound{GST_AUDIO_FORMAT_S16, 2},
                                         Sound{GST_AUDIO_FORMAT_F32, 1},
                                         Sound{GST_AUDIO_FORMAT_F32, 6}));

// Silence has a level too, and a block ends with a gap.
TEST_F(RecorderTest, LoudnessHasAFloorAndGaps) {
  GstAudioInfo info;
  gst_audio_info_set_format(&info, GST_AUDIO_FORMAT_S16, 16000, 1, nullptr);
  Recorder recorder(whole());
  for (const GstClockTime time : {GstClockTime(0), GstClockTime(GST_SECOND)}) {
    BufferPtr silence(gst_buffer_new_allocate(nullptr, 2 * 160, nullptr));
    gst_buffer_memset(silence.get(), 0, 0, 320);
    GST_BUFFER_PTS(silence.get()) = time;
    recorder.speech(silence.get(), info);
  }
  const Recording recording = recorder.recording();
  ASSERT_EQ(recording.loudness.size(), 2u);
  EXPECT_EQ(recording.loudness[0].most, LoudnessMeter::kSilence);
  EXPECT_LE(recording.loudness[0].end, 11 * GST_MSECOND);
  EXPECT_EQ(recording.loudness[1].begin, GST_SECOND);
}

}  // namespace
}  // namespace latentsync::test
