#include "tests/transcode/support.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

/// A video of so many bits and such chroma, as ffmpeg names it, in a file of five frames.
struct Pixels {
  const char* name;       ///< ffmpeg's pix_fmt
  const char* codec;      ///< ffmpeg's, with options
  const char* extension;  ///< of the input
};

void PrintTo(const Pixels& pixels, std::ostream* out) { *out << pixels.name; }

std::string test_name(const Pixels& pixels) {
  std::string name = std::string(pixels.name) + "_" + pixels.codec;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

/// The input: pictures with fine detail, and alpha that varies where the format has any.
std::string made(const Pixels& pixels, const std::filesystem::path& folder) {
  const std::string file = folder / (std::string("in.") + pixels.extension);
  const Finished finished = run_process(
      "ffmpeg -nostdin -y -v error -f lavfi -i testsrc2=s=96x64:r=25:d=0.2 -f lavfi -i "
      "sine=r=48000:d=0.2 -vf \"format=rgba64le,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':"
      "a='X*600+N*99'\" -pix_fmt " +
      std::string(pixels.name) + " -c:v " + pixels.codec + " -c:a pcm_s16le " + file);
  EXPECT_EQ(finished.status, 0) << finished.output;
  return file;
}

size_t count_of(const std::string& word, const std::string& text) {
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    ++count;
  }
  return count;
}

class Kept : public testing::TestWithParam<Pixels> {};

/// Matroska keeps 8 and 10 bits of 4:2:0, 4:2:2, 4:4:4 and RGB, and alpha, bit for bit where
/// nothing is edited, and there is nothing to be told about.
TEST_P(Kept, InMatroskaBitForBit) {
  const auto folder = empty_folder();
  const std::string input = made(GetParam(), folder);
  const std::string output = folder / "out.mkv";
  const Finished finished = transcode(input + " -o " + output, kNoEdit);
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(count_of("warning: the video", finished.output), 0u) << finished.output;
  EXPECT_EQ(count_of("CRITICAL", finished.output), 0u) << finished.output;
  EXPECT_EQ(probe(output, "v", "pix_fmt"), probe(input, "v", "pix_fmt"));
  EXPECT_EQ(frame_hashes(input), frame_hashes(output));
}

INSTANTIATE_TEST_SUITE_P(
    Pixels, Kept,
    testing::Values(Pixels{"yuv420p", "ffv1", "mkv"}, Pixels{"yuv422p", "ffv1", "mkv"},
                    Pixels{"yuv444p", "ffv1", "mkv"}, Pixels{"yuv420p10le", "ffv1", "mkv"},
                    Pixels{"yuv422p10le", "ffv1", "mkv"}, Pixels{"yuv444p10le", "ffv1", "mkv"},
                    Pixels{"bgr0", "ffv1", "mkv"}, Pixels{"bgra", "ffv1", "mkv"},
                    Pixels{"gbrp10le", "ffv1", "mkv"}, Pixels{"gbrap10le", "ffv1", "mkv"},
                    Pixels{"yuva420p", "ffv1", "mkv"}, Pixels{"yuva420p10le", "ffv1", "mkv"},
                    Pixels{"yuva422p10le", "ffv1", "mkv"}, Pixels{"yuva444p10le", "ffv1", "mkv"},
                    Pixels{"yuv422p10le", "v210", "mov"},
                    Pixels{"yuv422p10le", "prores_ks -profile:v 3", "mov"},
                    Pixels{"yuv420p10le", "libx265 -x265-params lossless=1:log-level=0", "mov"}),
    [](const auto& info) { return test_name(info.param); });

/// What a container has other pixels for than the input, and how the one warning names both.
struct Lost {
  Pixels input;
  const char* extension;  ///< of the output
  const char* before;
  const char* after;
  bool kept_by_matroska;
};

void PrintTo(const Lost& lost, std::ostream* out) { *out << lost.before; }

class NotKept : public testing::TestWithParam<Lost> {};

TEST_P(NotKept, IsToldOnce) {
  const Lost& lost = GetParam();
  const auto folder = empty_folder();
  const std::string input = made(lost.input, folder);
  const std::string output = folder / (std::string("out.") + lost.extension);
  const Finished finished = transcode(input + " -o " + output, kNoEdit);
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(count_of("warning: the video", finished.output), 1u) << finished.output;
  EXPECT_EQ(count_of("CRITICAL", finished.output), 0u) << finished.output;
  const std::string sentence =
      std::string("the video is ") + lost.before + " and becomes " + lost.after + " in ";
  EXPECT_EQ(count_of(sentence, finished.output), 1u) << finished.output;
  EXPECT_EQ(count_of(".mkv keeps it", finished.output), lost.kept_by_matroska ? 1u : 0u)
      << finished.output;
  EXPECT_EQ(frame_times(input).size(), frame_times(output).size());
}

INSTANTIATE_TEST_SUITE_P(
    Pixels, NotKept,
    testing::Values(
        Lost{{"yuv420p10le", "ffv1", "mkv"}, "mp4", "4:2:0 10 bit", "4:2:0 8 bit", true},
        Lost{{"yuv420p10le", "ffv1", "mkv"}, "mov", "4:2:0 10 bit", "4:2:0 8 bit", true},
        Lost{{"yuv422p10le", "v210", "mov"}, "mp4", "4:2:2 10 bit", "4:2:0 8 bit", true},
        Lost{{"yuv422p10le", "ffv1", "mkv"}, "webm", "4:2:2 10 bit", "4:2:0 8 bit", true},
        Lost{{"bgra", "ffv1", "mkv"}, "webm", "RGB 8 bit with alpha", "4:2:0 8 bit", true},
        Lost{{"yuva420p", "ffv1", "mkv"}, "mp4", "4:2:0 8 bit with alpha", "4:2:0 8 bit", true},
        Lost{{"yuv422p", "ffv1", "mkv"}, "mp4", "4:2:2 8 bit", "4:2:0 8 bit", true},
        Lost{{"yuv422p12le", "ffv1", "mkv"}, "mkv", "4:2:2 12 bit", "4:2:2 10 bit", false},
        Lost{{"yuv444p12le", "ffv1", "mkv"}, "mkv", "4:4:4 12 bit", "4:4:4 10 bit", false},
        Lost{{"gbrp12le", "ffv1", "mkv"}, "mkv", "RGB 12 bit", "RGB 10 bit", false},
        Lost{{"yuv411p", "ffv1", "mkv"}, "mkv", "4:1:1 8 bit", "4:4:4 8 bit", false},
        Lost{{"yuv410p", "ffv1", "mkv"}, "mkv", "4:1:0 8 bit", "4:4:4 8 bit", false},
        Lost{{"gray", "ffv1", "mkv"}, "mkv", "gray 8 bit", "4:4:4 8 bit", false},
        Lost{{"gray", "ffv1", "mkv"}, "mp4", "gray 8 bit", "4:2:0 8 bit", false},
        Lost{{"gray16le", "ffv1", "mkv"}, "mkv", "gray 16 bit", "4:4:4 10 bit", false}),
    [](const auto& info) { return test_name(info.param.input) + "_to_" + info.param.extension; });

/// QuickTime has ProRes for what editors have at 10 bits: depth, chroma and alpha stay.
TEST(ProRes, IsWhatQuickTimeHasOfTenBits) {
  const auto folder = empty_folder();
  for (const auto& [input, pixels, told] :
       {std::tuple{Pixels{"yuv422p10le", "ffv1", "mkv"}, "yuv422p10le", 0u},
        {Pixels{"yuv444p10le", "ffv1", "mkv"}, "yuv444p10le", 0u},
        {Pixels{"yuva444p10le", "ffv1", "mkv"}, "yuva444p10le", 0u},
        {Pixels{"gbrp10le", "ffv1", "mkv"}, "yuv444p10le", 1u}}) {
    SCOPED_TRACE(input.name);
    const std::string from = made(input, folder);
    const std::string output = folder / "out.mov";
    const Finished finished = transcode(from + " -o " + output, kNoEdit);
    ASSERT_EQ(finished.status, 0) << finished.output;
    EXPECT_EQ(count_of("warning: the video", finished.output), told) << finished.output;
    const std::string found = probe(output, "v", "codec_name,pix_fmt");
    // A decoder may give the twelve bits that ProRes 4444 has room for.
    EXPECT_TRUE(found.starts_with("prores," + std::string(pixels).substr(0, 7))) << found;
    expect_same_times(from, output);
    const Finished psnr = run_process("ffmpeg -v info -i " + output + " -i " + from +
                                      " -lavfi '[0:v]format=yuv444p10le[a];[1:v]"
                                      "format=yuv444p10le[b];[a][b]psnr' -f null -");
    const size_t at = psnr.output.find("average:");
    ASSERT_NE(at, std::string::npos) << psnr.output;
    EXPECT_GT(std::stod(psnr.output.substr(at + 8)), 40) << psnr.output;
  }
}

struct Named {
  const char* profile;
  const char* extension;
  const char* codec;
  const char* pixels;
};

void PrintTo(const Named& named, std::ostream* out) { *out << named.profile; }

class Profiles : public testing::TestWithParam<Named> {};

/// --profile names the codec and depth of the output; all frames are there, and look like the
/// input's.
TEST_P(Profiles, AreWritten) {
  const Named& named = GetParam();
  const auto folder = empty_folder();
  const std::string output = folder / (std::string("out.") + named.extension);
  for (const char* input : {"rate-25.mp4", "ten-bit.mp4"}) {
    const Finished finished =
        transcode(media(input) + " --profile " + named.profile + " -o " + output, kNoEdit);
    ASSERT_EQ(finished.status, 0) << finished.output;
    const std::string found = probe(output, "v", "codec_name,pix_fmt");
    EXPECT_TRUE(found.starts_with(std::string(named.codec) + "," + named.pixels)) << found;
    EXPECT_EQ(frame_times(output).size(), frame_times(media(input)).size());
    const Finished psnr = run_process("ffmpeg -v info -i " + output + " -i " + media(input) +
                                      " -lavfi '[0:v]format=yuv444p10le,setpts=N[a];[1:v]"
                                      "format=yuv444p10le,setpts=N[b];[a][b]psnr' -f null -");
    const size_t at = psnr.output.find("average:");
    ASSERT_NE(at, std::string::npos) << psnr.output;
    EXPECT_GT(std::stod(psnr.output.substr(at + 8)), 38) << psnr.output;
    const bool loses = std::string(input) == "ten-bit.mp4" &&
                       std::string(named.pixels).find("10") == std::string::npos &&
                       std::string(named.codec) != "prores";
    EXPECT_EQ(count_of("warning: the video", finished.output), loses ? 1u : 0u) << finished.output;
  }
}

INSTANTIATE_TEST_SUITE_P(Pixels, Profiles,
                         testing::Values(Named{"h264", "mkv", "h264", "yuv420p"},
                                         Named{"h264-10bit", "mp4", "h264", "yuv420p10le"},
                                         Named{"h264-10bit", "mov", "h264", "yuv420p10le"},
                                         Named{"hevc-10bit", "mp4", "hevc", "yuv420p10le"},
                                         Named{"hevc-10bit", "mkv", "hevc", "yuv420p10le"},
                                         Named{"prores", "mov", "prores", "yuv422p10le"},
                                         Named{"prores-4444", "mov", "prores", "yuv444p1"},
                                         Named{"vp9-10bit", "webm", "vp9", "yuv420p10le"}),
                         [](const auto& info) {
                           std::string name =
                               std::string(info.param.profile) + "_" + info.param.extension;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

/// A profile that the container does not have is refused with those that it has.
TEST(Profile, ThatDoesNotFit) {
  const auto folder = empty_folder();
  for (const char* profile : {"prores", "dnxhd"}) {
    const Finished finished = transcode(media("rate-25.mp4") + " --profile " + profile + " -o " +
                                        (folder / "out.mp4").string());
    EXPECT_EQ(finished.status, 2) << finished.output;
    EXPECT_EQ(count_of("it has h264, h264-10bit, hevc-10bit", finished.output), 1u)
        << finished.output;
  }
}

/// Formats that GStreamer's decoders do not know are one line that says what to do.
TEST(Transcode, PixelsThatGStreamerDoesNotKnowAreOneLine) {
  for (const char* pixels : {"gray10le", "yuv440p", "yuv420p16le", "yuv444p9le"}) {
    SCOPED_TRACE(pixels);
    const auto folder = empty_folder();
    const std::string input = made({pixels, "ffv1", "mkv"}, folder);
    const Finished finished = transcode(input + " -o " + std::string(folder / "out.mkv"), kNoEdit);
    EXPECT_EQ(finished.status, 3) << finished.output;
    EXPECT_EQ(std::count(finished.output.begin(), finished.output.end(), '\n'), 1)
        << finished.output;
    EXPECT_NE(finished.output.find("pixel format"), std::string::npos) << finished.output;
    EXPECT_NE(finished.output.find("ffmpeg -i "), std::string::npos) << finished.output;
  }
}

}  // namespace
}  // namespace latentsync::test
