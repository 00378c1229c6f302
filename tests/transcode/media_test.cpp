#include "tests/transcode/support.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

struct Kind {
  const char* file;
  bool has_own_clock = false;  ///< its times do not begin at zero
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.file; }

class EveryKind : public testing::TestWithParam<Kind> {};

/// As many frames come out of every kind of file as ffmpeg finds in it, at the same times, in MP4
/// and in Matroska.
TEST_P(EveryKind, KeepsFramesAndTimes) {
  const std::string input = media(GetParam().file);
  for (const char* extension : {"mp4", "mkv"}) {
    const std::string output = empty_folder() / (std::string("out.") + extension);
    const Finished finished = transcode(input + " -o " + output);
    ASSERT_EQ(finished.status, 0) << finished.output;
    expect_same_times(input, output, GetParam().has_own_clock);
  }
}

/// What is not edited comes out of a lossless file bit for bit: upright where the input was turned,
/// with its odd size, its bits, its pixels' shape, at its variable rate.
TEST_P(EveryKind, KeepsPixels) {
  const std::string input = media(GetParam().file);
  const std::string output = empty_folder() / "out.mkv";
  const Finished finished = transcode(input + " -o " + output, kNoEdit);
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frame_hashes(input), frame_hashes(output));
  const std::string aspect = probe(input, "v", "sample_aspect_ratio");
  EXPECT_EQ(probe(output, "v", "sample_aspect_ratio"), aspect.starts_with("N/A") ? "1:1" : aspect);
}

INSTANTIATE_TEST_SUITE_P(
    Media, EveryKind,
    testing::Values(Kind{"rate-25.mp4"}, Kind{"rate-30.mp4"}, Kind{"rate-23976.mp4"},
                    Kind{"rate-60.mp4"}, Kind{"variable-rate.mkv"}, Kind{"variable-rate.mp4"},
                    Kind{"ten-bit.mp4"}, Kind{"odd-size.mkv"}, Kind{"rotated.mp4"},
                    Kind{"wide-pixels.mp4"}, Kind{"no-face.mp4"}, Kind{"face-comes-later.mp4"},
                    Kind{"b-frames.mp4"}, Kind{"late-video.mp4"}, Kind{"transport.ts", true}),
    [](const testing::TestParamInfo<Kind>& info) {
      std::string name = info.param.file;
      std::replace_if(
          name.begin(), name.end(), [](char c) { return c == '.' || c == '-'; }, '_');
      return name;
    });

/// A frame that the engine edits differs from the input's, so that the tests above see the engine's
/// work.
TEST(Transcode, Edits) {
  const std::string output = empty_folder() / "out.mkv";
  ASSERT_EQ(transcode(media("rate-25.mp4") + " -o " + output).status, 0);
  const std::vector<std::string> before = frame_hashes(media("rate-25.mp4"));
  const std::vector<std::string> after = frame_hashes(output);
  ASSERT_EQ(before.size(), after.size());
  for (size_t frame = 0; frame < before.size(); ++frame) {
    EXPECT_NE(before[frame], after[frame]) << "frame " << frame;
  }
}

/// The default MP4 looks like the input: more than 45 dB.
TEST(Transcode, Mp4IsNearLossless) {
  const std::string output = empty_folder() / "out.mp4";
  ASSERT_EQ(transcode(media("rate-25.mp4") + " -o " + output, kNoEdit).status, 0);
  const Finished psnr = run_process("ffmpeg -v info -i " + output + " -i " + media("rate-25.mp4") +
                                    " -lavfi '[0:v][1:v]psnr' -f null -");
  const size_t at = psnr.output.find("average:");
  ASSERT_NE(at, std::string::npos) << psnr.output;
  EXPECT_GT(std::stod(psnr.output.substr(at + 8)), 45);
  EXPECT_EQ(probe(output, "v", "codec_name,pix_fmt"), "h264,yuv420p");
  EXPECT_EQ(probe(output, "a", "codec_name"), "aac");
}

/// The extension chooses the container and the codecs, and every frame arrives in each.
TEST(Transcode, ExtensionChoosesTheCodecs) {
  for (const auto& [extension, video, audio] :
       {std::tuple{"mov", "h264", "aac"}, {"webm", "vp9", "opus"}, {"MKV", "ffv1", "flac"}}) {
    const std::string output = empty_folder() / (std::string("out.") + extension);
    const Finished finished = transcode(media("rate-25.mp4") + " -o " + output);
    ASSERT_EQ(finished.status, 0) << finished.output;
    EXPECT_EQ(probe(output, "v", "codec_name"), video);
    EXPECT_EQ(probe(output, "a", "codec_name"), audio);
    expect_same_times(media("rate-25.mp4"), output);
  }
}

/// H.264 takes even sizes only: the last column and row are left out, and the user is told.
TEST(Transcode, OddSizeInMp4) {
  const std::string output = empty_folder() / "out.mp4";
  const Finished finished = transcode(media("odd-size.mp4") + " -o " + output);
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_NE(finished.output.find("255x271"), std::string::npos) << finished.output;
  EXPECT_EQ(probe(output, "v", "width,height"), "254,270");
  expect_same_times(media("odd-size.mp4"), output);
}

/// The sound is the driving speech as it was, sample for sample, and ends with the video.
TEST(Transcode, SoundIsTheSpeech) {
  const std::string output = empty_folder() / "out.mkv";
  const Finished finished =
      transcode(media("no-audio.mp4") + " --audio " + media("speech-long.wav") + " -o " + output);
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(sound_hash(output), sound_hash(media("speech-long.wav"), "atrim=end_sample=15360"));
}

/// Speech in 44.1 kHz stereo MP3 drives the mouth and is the sound, in its own rate and channels.
TEST(Transcode, StereoMp3) {
  const std::string output = empty_folder() / "out.mp4";
  const Finished finished = transcode(media("rate-30.mp4") + " --audio " +
                                      media("speech-44100-stereo.mp3") + " -o " + output);
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(probe(output, "a", "sample_rate,channels"), "44100,2");
  expect_same_times(media("rate-30.mp4"), output);
}

/// Speech that ends before the video does not end the video.
TEST(Transcode, ShortSpeech) {
  const std::string output = empty_folder() / "out.mp4";
  const Finished finished =
      transcode(media("seconds-2.mkv") + " --audio " + media("audio-only.m4a") + " -o " + output);
  ASSERT_EQ(finished.status, 0) << finished.output;
  expect_same_times(media("seconds-2.mkv"), output);
}

/// A file that is cut off gives what it holds, and a warning.
TEST(Transcode, CutOffFile) {
  const std::string output = empty_folder() / "out.mkv";
  const Finished finished = transcode(media("cut-off.mp4") + " -o " + output);
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_NE(finished.output.find("cut off"), std::string::npos) << finished.output;
  expect_same_times(media("cut-off.mp4"), output);
}

}  // namespace
}  // namespace latentsync::test
