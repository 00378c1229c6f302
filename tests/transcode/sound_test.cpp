#include "tests/transcode/support.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

constexpr double kClip = 1.6;  ///< seconds of rate-25.mp4

using Samples = std::vector<float>;

enum class Reader { kFfmpeg, kGStreamer };

Samples floats(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
  Samples samples(bytes.size() / sizeof(float));
  std::copy_n(bytes.data(), samples.size() * sizeof(float),
              reinterpret_cast<char*>(samples.data()));
  return samples;
}

/// FILE's sound as mono samples. Every output begins with it.
Samples sound_of(const fs::path& file, int rate, Reader reader = Reader::kFfmpeg) {
  const fs::path raw = fs::path(file).concat(".raw");
  const std::string names = "'" + file.string() + "' ";
  const std::string hz = std::to_string(rate);
  const Finished decoded =
      reader == Reader::kFfmpeg
          ? run_process("ffmpeg -v error -y -i " + names + "-map 0:a -ac 1 -ar " + hz +
                        " -f f32le '" + raw.string() + "'")
          // gst-launch-1.0 of GStreamer 1.22 misses an end of the stream now and then.
          : run_process(
                "for try in 1 2 3; do timeout 10 gst-launch-1.0 -q filesrc location=" + names +
                "! decodebin ! audioconvert ! audioresample ! "
                "audio/x-raw,format=F32LE,channels=1,rate=" +
                hz + " ! filesink location='" + raw.string() + "' && exit; done; exit 1");
  EXPECT_EQ(decoded.status, 0) << decoded.output;
  return floats(raw);
}

/// Seconds by which FOUND is later than WANTED around WANTED's second AT.
double lag(const Samples& wanted, const Samples& found, int rate, double at) {
  constexpr long kWindow = 1024;
  const long begin = long(at * rate);
  double best = -1;
  long best_shift = 0;
  if (begin + kWindow > long(wanted.size())) {
    return 1;
  }
  for (long shift = -rate / 6; shift <= rate / 6; ++shift) {
    if (begin + shift < 0 || begin + shift + kWindow > long(found.size())) {
      continue;
    }
    const double likeness =
        std::inner_product(wanted.begin() + begin, wanted.begin() + begin + kWindow,
                           found.begin() + begin + shift, 0.0);
    if (likeness > best) {
      best = likeness;
      best_shift = shift;
    }
  }
  return double(best_shift) / rate;
}

/// Makes NAME in FOLDER with ffmpeg.
std::string make(const fs::path& folder, const std::string& name, const std::string& arguments) {
  const std::string file = folder / name;
  const Finished made = run_process("ffmpeg -nostdin -v error -y " + arguments + " " + file);
  EXPECT_EQ(made.status, 0) << made.output;
  return file;
}

std::string noise(const fs::path& folder, int rate, double seconds = 3) {
  return make(folder, "noise.wav",
              "-f lavfi -i anoisesrc=seed=7:amplitude=0.3:sample_rate=" + std::to_string(rate) +
                  ":duration=" + std::to_string(seconds));
}

int count(const std::string& text, const std::string& words) {
  int found = 0;
  for (size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) {
    ++found;
  }
  return found;
}

Finished sing(const std::string& speech, const std::string& output, const std::string& more = "") {
  return transcode(media("rate-25.mp4") + " --audio " + speech + " -o " + output + " " + more);
}

class EveryRate : public testing::TestWithParam<int> {};

/// The sound is where it was within a millisecond, in every container, for ffmpeg and for
/// GStreamer, and lasts as long as the video.
TEST_P(EveryRate, SoundIsInPlace) {
  const fs::path folder = empty_folder();
  const int rate = GetParam();
  const std::string speech = noise(folder, rate);
  const Samples wanted = sound_of(speech, rate);
  for (const char* extension : {"mp4", "mov", "webm", "mkv"}) {
    const bool aac = std::string(extension).front() == 'm' && std::string(extension) != "mkv";
    if (!aac && rate != 44100) {
      continue;
    }
    const std::string output = folder / (std::string("out.") + extension);
    const Finished finished = sing(speech, output);
    ASSERT_EQ(finished.status, 0) << finished.output;
    for (const Reader reader : {Reader::kFfmpeg, Reader::kGStreamer}) {
      const Samples found = sound_of(output, rate, reader);
      EXPECT_NEAR(lag(wanted, found, rate, 0.4), 0, 0.001) << extension << " " << int(reader);
      EXPECT_NEAR(lag(wanted, found, rate, 1.0), 0, 0.001) << extension << " " << int(reader);
      // Both play the last frame of AAC to its end.
      const double slack = aac ? 1024.0 / rate + 0.001 : 0.001;
      EXPECT_GE(double(found.size()) / rate, kClip - 0.001) << extension << " " << int(reader);
      EXPECT_LE(double(found.size()) / rate, kClip + slack) << extension << " " << int(reader);
    }
  }
  EXPECT_NEAR(std::stod(probe(folder / "out.mp4", "a", "duration")), kClip, 0.001);
}

INSTANTIATE_TEST_SUITE_P(Sound, EveryRate, testing::Values(8000, 16000, 22050, 44100, 48000));

/// Where no sample of the speech falls into the output, it is silent, as long as the video, and
/// the user is told once.
TEST(Sound, NothingInThisPart) {
  const fs::path folder = empty_folder();
  const std::string speech = noise(folder, 16000, 0.5);
  const std::string late = make(folder, "late.mkv",
                                "-i " + media("rate-25.mp4") + " -itsoffset 4 -i " + speech +
                                    " -map 0:v -map 1:a -c:v copy -c:a flac");
  for (const char* extension : {"mp4", "mov", "webm", "mkv"}) {
    const std::string output = folder / (std::string("out.") + extension);
    for (const std::string& arguments :
         {media("rate-25.mp4") + " --audio " + speech + " --shard 2/2",
          media("rate-25.mp4") + " --audio " + speech + " --start 0.8", late + " --start 0.8"}) {
      const Finished finished = transcode(arguments + " -o " + output);
      ASSERT_EQ(finished.status, 0) << finished.output;
      EXPECT_EQ(count(finished.output, "none of its sound is within the output"), 1)
          << finished.output;
      const Samples found = sound_of(output, 16000);
      EXPECT_NEAR(double(found.size()) / 16000, 0.8, 0.065) << output;
      EXPECT_TRUE(std::all_of(found.begin(), found.end(), [](float x) { return x < 0.001; }))
          << output;
    }
  }
}

/// Sound that ends before the video is silence from there on.
TEST(Sound, ShortSpeech) {
  const fs::path folder = empty_folder();
  const std::string speech = noise(folder, 16000, 0.5);
  const std::string output = folder / "out.mkv";
  ASSERT_EQ(sing(speech, output).status, 0);
  const Samples found = sound_of(output, 16000);
  EXPECT_EQ(found.size(), size_t(kClip * 16000));
  ASSERT_GT(found.size(), 8000U);
  EXPECT_GT(std::abs(found[7990]) + std::abs(found[7995]), 0);
  EXPECT_TRUE(std::all_of(found.begin() + 8000, found.end(), [](float x) { return x == 0; }));
}

/// Speech without a sample, and one that the installed GStreamer reads none of, are told in a line.
TEST(Sound, NoSamples) {
  const fs::path folder = empty_folder();
  const std::string empty = make(folder, "empty.wav", "-f lavfi -i anullsrc=r=16000:cl=mono -t 0");
  const Finished finished = sing(empty, folder / "out.mp4");
  EXPECT_EQ(finished.status, 3);
  EXPECT_NE(finished.output.find("no sample of its audio can be read"), std::string::npos)
      << finished.output;
}

/// Samples that are no numbers, or huge, are silent or clipped; what comes after stays in its
/// place, and each is told once.
TEST(Sound, NotANumber) {
  const fs::path folder = empty_folder();
  const int rate = 16000;
  const std::string speech = noise(folder, rate);
  const Samples wanted = sound_of(speech, rate);
  for (const auto& [bad, said] : {std::pair{"nan", "not numbers"},
                                  {"inf", "not numbers"},
                                  {"-inf", "not numbers"},
                                  {"1e30", "far beyond full scale"}}) {
    for (const char* format : {bad[0] == 'n' ? "pcm_f64le" : "pcm_f32le"}) {
      const std::string file = make(folder, "bad.wav",
                                    "-i " + speech + " -af \"aeval='if(between(t,0.2,0.3)," +
                                        (std::string(bad).find("inf") == std::string::npos
                                             ? std::string(bad)
                                             : std::string(bad[0] == '-' ? "-1/0" : "1/0")) +
                                        ",val(0))'\" -c:a " + format);
      for (const char* extension : {"mp4", "mkv"}) {
        const std::string output = folder / (std::string("out.") + extension);
        const Finished finished = sing(file, output);
        ASSERT_EQ(finished.status, 0) << finished.output;
        EXPECT_EQ(count(finished.output, said), 1) << bad << " " << finished.output;
        EXPECT_NEAR(lag(wanted, sound_of(output, rate), rate, 1.0), 0, 0.001)
            << bad << " " << extension;
      }
    }
  }
  const Samples silent = sound_of(folder / "out.mkv", rate);
  EXPECT_EQ(silent.size(), size_t(kClip * rate));
}

struct Layout {
  const char* name;
  const char* extension;
  const char* written;  ///< ffprobe's channels and layout
  const char* said;     ///< or empty: kept without a word
};

void PrintTo(const Layout& layout, std::ostream* out) {
  *out << layout.name << " in " << layout.extension;
}

class EveryLayout : public testing::TestWithParam<Layout> {};

/// Channels are kept, or one warning says what became what.
TEST_P(EveryLayout, IsKeptOrTold) {
  const fs::path folder = empty_folder();
  const Layout layout = GetParam();
  const std::string speech = make(
      folder, "speech.wav",
      "-t 0.4 -i " + noise(folder, 48000) + " -af aformat=channel_layouts='" + layout.name + "'");
  const std::string output = folder / (std::string("out.") + layout.extension);
  const Finished finished = sing(speech, output, "--duration 0.2");
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(probe(output, "a", "channels,channel_layout"), layout.written) << finished.output;
  EXPECT_EQ(count(finished.output, "warning:"), *layout.said == 0 ? 0 : 1) << finished.output;
  EXPECT_NE(finished.output.find(layout.said), std::string::npos) << finished.output;
}

INSTANTIATE_TEST_SUITE_P(
    Sound, EveryLayout,
    testing::Values(
        Layout{"mono", "mp4", "1,mono", ""}, Layout{"stereo", "webm", "2,stereo", ""},
        Layout{"2.1", "mp4", "3,2.1", ""}, Layout{"2.1", "mkv", "6,5.1(side)", "FL FR LFE"},
        Layout{"2.1", "webm", "6,5.1", "FL FR LFE"}, Layout{"3.0", "mkv", "3,3.0", ""},
        Layout{"4.0", "mp4", "4,4.0", ""}, Layout{"4.0", "mkv", "5,5.0(side)", "mixed to"},
        Layout{"4.0", "webm", "7,6.1", "FL FR FC RC"}, Layout{"quad", "mkv", "4,quad", ""},
        Layout{"quad", "mp4", "4,quad", ""}, Layout{"5.0", "mkv", "5,5.0(side)", ""},
        Layout{"5.0(side)", "mp4", "5,5.0", ""}, Layout{"5.1", "mp4", "6,5.1", ""},
        Layout{"5.1(side)", "mov", "6,5.1", ""}, Layout{"5.1(side)", "mkv", "6,5.1(side)", ""},
        Layout{"6.1", "mkv", "6,5.1(side)", "mixed to"}, Layout{"6.1", "webm", "7,6.1", ""},
        Layout{"6.1", "mp4", "6,5.1", "mixed to"}, Layout{"7.1", "mkv", "6,5.1(side)", "mixed to"},
        Layout{"7.1", "webm", "8,7.1", ""}, Layout{"7.1", "mp4", "6,5.1", "mixed to"},
        Layout{"7.1(wide)", "mkv", "6,5.1(side)", "mixed to"}),
    [](const testing::TestParamInfo<Layout>& info) {
      std::string name = std::string(info.param.name) + "_" + info.param.extension;
      std::replace_if(
          name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
      return name;
    });

/// Channels without positions are numbered as far as the codec has as many, and otherwise mixed;
/// one warning says so.
TEST(Sound, ChannelsWithoutPositions) {
  const fs::path folder = empty_folder();
  const std::string one = make(folder, "one.wav", "-t 0.4 -i " + noise(folder, 16000));
  for (const int channels : {5, 7, 12, 16}) {
    // WAVE_FORMAT_EXTENSIBLE with a channel mask of 0.
    const std::string speech = folder / "plain.wav";
    const Finished made = run_process(
        "python3 -c \"import struct,sys,wave\nn=int(sys.argv[3])\n"
        "w=wave.open(sys.argv[1],'rb')\ns=w.readframes(w.getnframes())\n"
        "d=b''.join(s[i:i+2]*n for i in range(0,len(s),2))\n"
        "f=struct.pack('<HHIIHHHHI',0xfffe,n,16000,32000*n,2*n,16,22,16,0)+"
        "bytes.fromhex('0100000000001000800000aa00389b71')\n"
        "b=b'WAVE'+b'fmt '+struct.pack('<I',len(f))+f+b'data'+struct.pack('<I',len(d))+d\n"
        "open(sys.argv[2],'wb').write(b'RIFF'+struct.pack('<I',len(b))+b)\" " +
        one + " " + speech + " " + std::to_string(channels));
    ASSERT_EQ(made.status, 0) << made.output;
    for (const auto& [extension, most] : {std::pair{"mp4", 6}, {"mkv", 6}, {"webm", 8}}) {
      const std::string output = folder / (std::string("out.") + extension);
      const Finished finished = sing(speech, output, "--duration 0.2");
      ASSERT_EQ(finished.status, 0) << channels << finished.output;
      EXPECT_EQ(probe(output, "a", "channels"), std::to_string(channels <= most ? channels : 2));
      EXPECT_EQ(count(finished.output, "channels without positions"), 1) << finished.output;
      const Samples found = sound_of(output, 16000);
      EXPECT_TRUE(std::any_of(found.begin(), found.end(), [](float x) { return x > 0.02; }))
          << channels << extension;
    }
  }
}

/// Each channel stays what it was where the codec has a layout with it.
TEST(Sound, ChannelsAreNotSwapped) {
  const fs::path folder = empty_folder();
  const std::string tones =
      "-f lavfi -i 'aevalsrc=0.1*sin(600*t)|0.2*sin(900*t)|0.3*sin(1400*t)|0.4*sin(2000*t)|"
      "0.5*sin(2500*t)|0.6*sin(3000*t):d=0.4:s=16000:channel_layout=5.1(side)' -c:a pcm_s16le";
  const std::string speech = make(folder, "speech.wav", tones);
  const std::string output = folder / "out.mkv";
  ASSERT_EQ(sing(speech, output, "--duration 0.2").status, 0);
  for (const char* channel : {"c0", "c1", "c2", "c3", "c4", "c5"}) {
    const std::string only = std::string("pan=mono|c0=") + channel;
    EXPECT_EQ(sound_hash(output, "'" + only + "'"),
              sound_hash(speech, "'" + only + ",atrim=end_sample=3200'"))
        << channel;
  }
}

/// A rate that the codec does not take is told.
TEST(Sound, HighRates) {
  const fs::path folder = empty_folder();
  const std::string speech = noise(folder, 192000, 0.5);
  for (const auto& [extension, rate, warnings] :
       {std::tuple{"mp4", "96000", 1}, {"webm", "48000", 1}, {"mkv", "192000", 0}}) {
    const std::string output = folder / (std::string("out.") + extension);
    const Finished finished = sing(speech, output, "--duration 0.2");
    ASSERT_EQ(finished.status, 0) << finished.output;
    EXPECT_EQ(probe(output, "a", "sample_rate"), rate);
    EXPECT_EQ(count(finished.output, "192000 Hz"), warnings) << finished.output;
  }
}

/// Stereo whose channels cancel each other drives the mouth by the louder one, as if that were all
/// there is; the output keeps both.
TEST(Sound, ChannelsThatCancel) {
  const fs::path folder = empty_folder();
  const std::string mono = make(folder, "mono.wav", "-i " + sample("grid_s1_sbwh7s.mp4") + " -vn");
  ASSERT_EQ(sing(mono, folder / "mono.mkv").status, 0);
  const std::vector<std::string> wanted = frame_hashes(folder / "mono.mkv");
  for (const auto& [mix, warnings] : {std::pair{"stereo|c0=c0|c1=-1*c0", 1},
                                      {"stereo|c0=c0|c1=-0.9*c0", 1},
                                      {"stereo|c0=c0|c1=c0", 0}}) {
    const std::string speech = make(folder, "mixed.wav", "-i " + mono + " -af 'pan=" + mix + "'");
    const std::string output = folder / "out.mkv";
    const Finished finished = sing(speech, output);
    ASSERT_EQ(finished.status, 0) << finished.output;
    EXPECT_EQ(count(finished.output, "cancel each other"), warnings) << finished.output;
    EXPECT_EQ(probe(output, "a", "channels"), "2");
    EXPECT_EQ(frame_hashes(output), wanted) << mix;
  }
}

/// A transport stream whose video begins so much later than its sound that GStreamer loses the
/// difference is told; one whose difference is kept is not.
TEST(Sound, TransportStreamWithLateVideo) {
  const fs::path folder = empty_folder();
  const std::string speech = noise(folder, 48000, 3);
  for (const auto& [delay, warnings] : {std::pair{"2", 1}, {"0.3", 0}, {"-1", 0}}) {
    const std::string file =
        make(folder, "late.ts",
             std::string("-itsoffset ") + delay + " -i " + media("rate-25.mp4") + " -i " + speech +
                 " -map 0:v -map 1:a -c:v libx264 -preset ultrafast -bf 0 -c:a mp2");
    const Finished finished = transcode(file + " -o " + (folder / "out.mkv").string());
    ASSERT_EQ(finished.status, 0) << finished.output;
    EXPECT_EQ(count(finished.output, "after its sound"), warnings) << delay << finished.output;
  }
}

/// Sound that is shorter than a block of the encoder is written without a word.
TEST(Sound, LessThanABlock) {
  const fs::path folder = empty_folder();
  for (const char* duration : {"0.04", "0.08", "0.2", "0.36"}) {
    for (const char* extension : {"mkv", "mp4", "mov", "webm"}) {
      const std::string output = folder / (std::string("out.") + extension);
      const Finished finished = transcode(media("rate-25.mp4") + " --duration " +
                                          std::string(duration) + " -o " + output);
      EXPECT_EQ(finished.status, 0) << finished.output;
      EXPECT_EQ(count(finished.output, "warning"), 0) << finished.output;
    }
  }
}

}  // namespace
}  // namespace latentsync::test
