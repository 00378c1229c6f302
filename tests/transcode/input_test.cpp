#include "tests/transcode/support.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

using Hashes = std::vector<std::string>;

std::string name_of(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '.' || c == '-'; }, '_');
  return name;
}

size_t count(const std::string& text, const std::string& what) {
  size_t found = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
    ++found;
  }
  return found;
}

/// Frames of FILE, of which ffprobe needs no decoding.
size_t packets(const std::string& file) {
  const Finished probed = run_process(
      "ffprobe -v error -select_streams v:0 -count_packets -show_entries stream=nb_read_packets "
      "-of csv=p=0 " +
      file);
  return std::stoul(probed.output);
}

class EveryContainer : public testing::TestWithParam<const char*> {};

/// A file whose sound or video begins late is a file with both; one that lacks a stream is refused
/// with a line that says which.
TEST_P(EveryContainer, StreamsThatBeginLate) {
  for (const char* name : {"both.", "late-audio.", "late-video."}) {
    const std::string input = media(name + std::string(GetParam()));
    const std::string output = empty_folder() / "out.mkv";
    const Finished finished = transcode(input + " -o " + output);
    ASSERT_EQ(finished.status, 0) << input << finished.output;
    EXPECT_EQ(packets(output), packets(input)) << input;
    EXPECT_EQ(probe(output, "a", "codec_name"), "flac") << input;
    EXPECT_EQ(transcode(media("no-audio.mp4") + " --audio " + input + " -o " + output).status, 0);
  }
}

TEST_P(EveryContainer, StreamsThatNeverCome) {
  for (const auto& [name, says] :
       {std::pair{"no-audio.", "there is no audio"}, {"no-video.", "there is no video"}}) {
    const std::string output = empty_folder() / "out.mkv";
    const Finished finished = transcode(media(name + std::string(GetParam())) + " -o " + output);
    EXPECT_EQ(finished.status, 3) << finished.output;
    EXPECT_NE(finished.output.find(says), std::string::npos) << finished.output;
  }
}

INSTANTIATE_TEST_SUITE_P(Input, EveryContainer, testing::Values("flv", "mpg", "ts"),
                         [](const testing::TestParamInfo<const char*>& info) {
                           return std::string(info.param);
                         });

struct Change {
  const char* file;
  size_t frames;
  size_t same;  ///< before the change
  const char* says;
};

void PrintTo(const Change& change, std::ostream* out) { *out << change.file; }

class Changes : public testing::TestWithParam<Change> {};

/// Whatever changes in mid-file, every frame comes out in the first one's format, in every
/// container, and one warning names the change and its time.
TEST_P(Changes, AreConverted) {
  for (const char* extension : {"mkv", "mp4", "mov", "webm"}) {
    const std::string output = empty_folder() / (std::string("out.") + extension);
    const Finished finished = transcode(media(GetParam().file) + " -o " + output);
    ASSERT_EQ(finished.status, 0) << finished.output;
    EXPECT_EQ(packets(output), GetParam().frames) << extension;
    EXPECT_EQ(count(finished.output, " changes at "), 1U) << finished.output;
    EXPECT_NE(finished.output.find(GetParam().says), std::string::npos) << finished.output;
  }
}

/// Until the change the pixels are the input's, bit for bit.
TEST_P(Changes, KeepThePixelsBefore) {
  const std::string input = media(GetParam().file);
  const std::string output = empty_folder() / "out.mkv";
  ASSERT_EQ(transcode(input + " -o " + output, kNoEdit).status, 0);
  Hashes before = frame_hashes(input);
  Hashes after = frame_hashes(output);
  ASSERT_GT(before.size(), GetParam().same);
  ASSERT_GT(after.size(), GetParam().same);
  before.resize(GetParam().same);
  after.resize(GetParam().same);
  EXPECT_EQ(before, after);
}

INSTANTIATE_TEST_SUITE_P(
    Input, Changes,
    testing::Values(Change{"aspect-wider.ts", 99, 49, "pixel aspect 1:1 becomes 4:3"},
                    Change{"aspect-narrower.ts", 99, 49, "pixel aspect 4:3 becomes 1:1"},
                    Change{"aspect-back.ts", 148, 49, "pixel aspect 1:1 becomes 4:3"},
                    Change{"size-smaller.ts", 99, 49, "size 192x144 becomes 96x72"},
                    Change{"size-larger.ts", 99, 49, "size 192x144 becomes 384x288"},
                    Change{"size-change.mkv", 99, 49, "size 192x144 becomes 384x288"},
                    Change{"chroma-more.ts", 100, 50, "format I420 becomes Y444"},
                    Change{"depth-more.ts", 100, 50, "format I420 becomes"},
                    Change{"depth-less.ts", 100, 50, "becomes I420"},
                    Change{"sound-more.ts", 100, 50,
                           "rate 48000 becomes 44100, number of channels 1 becomes 2"}),
    [](const testing::TestParamInfo<Change>& info) { return name_of(info.param.file); });

/// A recording whose clock goes back in the middle loses nothing.
TEST(Input, ClockThatGoesBack) {
  const std::string output = empty_folder() / "out.mkv";
  const Finished finished = transcode(media("clock-back.ts") + " -o " + output);
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_GE(packets(output), 98U);
}

/// A stream that is replaced by one of another codec is refused with a line that says what to do.
TEST(Input, CodecThatChanges) {
  const std::string output = empty_folder() / "out.mkv";
  const Finished finished = transcode(media("codec.ts") + " -o " + output);
  EXPECT_EQ(finished.status, 3) << finished.output;
  EXPECT_NE(finished.output.find("goes on as another stream"), std::string::npos)
      << finished.output;
}

class Times : public testing::TestWithParam<const char*> {};

/// Frames whose times are equal or go back are all in the file, at times that ascend.
TEST_P(Times, Ascend) {
  const size_t frames = packets(media(GetParam()));
  for (const char* extension : {"mkv", "mp4", "mov", "webm"}) {
    const std::string output = empty_folder() / (std::string("out.") + extension);
    const Finished finished = transcode(media(GetParam()) + " -o " + output);
    ASSERT_EQ(finished.status, 0) << finished.output;
    const std::vector<double> times = frame_times(output);
    EXPECT_EQ(times.size(), frames) << extension;
    EXPECT_EQ(std::adjacent_find(times.begin(), times.end(), std::greater_equal<>()), times.end())
        << extension;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Input, Times, testing::Values("equal-times.mkv", "descending-times.mkv", "jump-back.mkv"),
    [](const testing::TestParamInfo<const char*>& info) { return name_of(info.param); });

class DeclaredRate : public testing::TestWithParam<int> {};

/// A rate that the frames' times contradict is not believed: the last frame is held at 25 a second.
TEST_P(DeclaredRate, IsNotBelieved) {
  const std::string input = media("declared-" + std::to_string(GetParam()) + ".ts");
  const std::string output = empty_folder() / "out.mkv";
  const Finished finished =
      transcode(input + " --audio " + media("speech-long.wav") + " --video-end hold -o " + output);
  ASSERT_EQ(finished.status, 0) << finished.output;
  const std::vector<double> times = frame_times(output);
  EXPECT_NEAR(double(times.size()), 75, 3);
  EXPECT_NEAR(times[1] - times[0], 0.04, 0.002);
  EXPECT_NEAR(times.back() - times[times.size() - 2], 0.04, 0.002);
}

INSTANTIATE_TEST_SUITE_P(Input, DeclaredRate, testing::Values(1000, 50, 5));

/// A recorder's clock begins anywhere: the output begins with the first stream.
TEST(Input, RecordersClockBeginsAtZero) {
  const std::string output = empty_folder() / "out.mkv";
  ASSERT_EQ(transcode(media("transport.ts") + " -o " + output).status, 0);
  EXPECT_LT(frame_times(output).front(), 0.1);
}

/// The order of the fields is kept, whether the stream's header or its frames say it; VP9 has no
/// mark for it, and the user is told.
TEST(Input, OrderOfTheFields) {
  for (const auto& [order, wanted] : {std::pair{"tff", "1,1"}, {"bff", "1,0"}}) {
    for (const char* from : {"ts", "mov"}) {
      const std::string input = media(std::string("fields-") + order + "." + from);
      for (const char* extension : {"mp4", "mov", "mkv"}) {
        const std::string output = empty_folder() / (std::string("out.") + extension);
        ASSERT_EQ(transcode(input + " -o " + output).status, 0);
        const Finished probed = run_process(
            "ffprobe -v quiet -select_streams v -show_entries "
            "frame=interlaced_frame,top_field_first -of csv=p=0 " +
            output + " | grep -o '^[01],[01]' | sort -u");
        EXPECT_EQ(probed.output, std::string(wanted) + "\n") << input << " " << extension;
      }
    }
  }
  const std::string output = empty_folder() / "out.webm";
  const Finished finished = transcode(media("fields-tff.ts") + " -o " + output);
  ASSERT_EQ(finished.status, 0);
  EXPECT_EQ(count(finished.output, "interlaced"), 1U) << finished.output;
}

/// Decibels between the frames of two files, whatever their times.
double psnr(const std::string& one, const std::string& other) {
  const Finished compared =
      run_process("ffmpeg -v info -i " + one + " -i " + other +
                  " -lavfi '[0:v]setpts=N[a];[1:v]setpts=N[b];[a][b]psnr' -f null -");
  const size_t at = compared.output.find("average:");
  return at == std::string::npos ? 0 : std::stod(compared.output.substr(at + 8));
}

/// --deinterlace makes one picture of each frame's two fields, near to what the camera saw at the
/// frame's time, without the mark; what is not interlaced stays as it is.
TEST(Input, Deinterlace) {
  const std::string folder = empty_folder();
  const std::string output = folder + "/out.mkv";
  const std::string source = "-f lavfi -i testsrc2=s=192x144:r=50:d=1.2 ";
  run_process("ffmpeg -v error -y " + source +
              "-vf \"select='not(mod(n,2))'\" -vsync passthrough " + "-c:v ffv1 " + folder +
              "/wanted.mkv");
  for (const char* order : {"tff", "bff"}) {
    for (const auto& [name, codecs] : {std::pair{"in.ts", "-c:v mpeg2video -q:v 2 -c:a mp2 "},
                                       {"in.mov", "-c:v prores_ks -c:a pcm_s16le "}}) {
      const std::string input = folder + "/" + name;
      run_process("ffmpeg -v error -y " + source + "-f lavfi -i sine=d=1.2:r=48000 " +
                  "-vf interlace=scan=" + order + ":lowpass=0 -flags +ildct+ilme " + codecs +
                  input);
      const Finished finished = transcode(input + " --deinterlace -o " + output, kNoEdit);
      ASSERT_EQ(finished.status, 0) << finished.output;
      EXPECT_EQ(packets(output), 30U) << input << order;
      EXPECT_EQ(packets(output), packets(input)) << input << order;
      EXPECT_EQ(probe(output, "v", "field_order"), "progressive") << input << order;
      EXPECT_GT(psnr(output, folder + "/wanted.mkv"), 30) << input << order;
      EXPECT_LT(psnr(input, folder + "/wanted.mkv"), 28) << input << order;
    }
  }
  ASSERT_EQ(transcode(media("ten-bit.mp4") + " --deinterlace -o " + output, kNoEdit).status, 0);
  EXPECT_EQ(frame_hashes(output), frame_hashes(media("ten-bit.mp4")));
}

/// Full range stays full range, whichever of the container and the stream says it.
TEST(Input, FullRange) {
  for (const char* name : {"full-range.mp4", "full-range.mov", "full-range-hevc.mp4"}) {
    for (const char* extension : {"mkv", "mp4", "mov", "webm"}) {
      const std::string output = empty_folder() / (std::string("out.") + extension);
      ASSERT_EQ(transcode(media(name) + " -o " + output).status, 0);
      EXPECT_EQ(probe(output, "v", "color_range,color_space,color_transfer,color_primaries"),
                "pc,bt709,bt709,bt709")
          << name << " " << extension;
    }
  }
}

class Pictures : public testing::TestWithParam<const char*> {};

/// A picture is shown as long as the speech lasts, its last frame like the others, without being
/// asked; it cannot end otherwise.
TEST_P(Pictures, AreHeld) {
  const std::string input = media(std::string("picture.") + GetParam());
  for (const char* extension : {"mp4", "mkv"}) {
    const std::string output = empty_folder() / (std::string("out.") + extension);
    const Finished finished =
        transcode(input + " --audio " + media("speech-long.wav") + " -o " + output);
    ASSERT_EQ(finished.status, 0) << finished.output;
    EXPECT_EQ(frame_times(output).size(), 75U) << extension;
  }
  for (const char* mode : {"stop", "loop", "pingpong"}) {
    const std::string output = empty_folder() / "out.mp4";
    const Finished finished = transcode(input + " --audio " + media("speech-long.wav") +
                                        " --video-end " + mode + " -o " + output);
    EXPECT_EQ(finished.status, 3) << mode;
    EXPECT_NE(finished.output.find("--video-end hold"), std::string::npos) << finished.output;
  }
}

INSTANTIATE_TEST_SUITE_P(Input, Pictures, testing::Values("png", "jpg", "webp", "bmp", "tiff"),
                         [](const testing::TestParamInfo<const char*>& info) {
                           return std::string(info.param);
                         });

/// What cannot be read is named, with what to do.
TEST(Input, Gif) {
  const std::string output = empty_folder() / "out.mp4";
  const Finished finished =
      transcode(media("picture.gif") + " --audio " + media("speech-long.wav") + " -o " + output);
  EXPECT_EQ(finished.status, 3) << finished.output;
  EXPECT_NE(finished.output.find("ffmpeg -i"), std::string::npos) << finished.output;
}

}  // namespace
}  // namespace latentsync::test
