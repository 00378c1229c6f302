#include "tests/transcode/support.h"

#include <fstream>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

using Hashes = std::vector<std::string>;

constexpr size_t kFrames = 74;  ///< of the clip, at 25 frames/s

Hashes slice(const Hashes& all, size_t begin, size_t end) {
  return {all.begin() + long(begin), all.begin() + long(std::min(end, all.size()))};
}

std::string whole() {
  const std::string output = empty_folder() / "whole.mkv";
  const Finished finished = transcode(media("seconds-2.mkv") + " -o " + output);
  EXPECT_EQ(finished.status, 0) << finished.output;
  return output;
}

/// A run that begins and ends within windows gives the bytes of the whole run, and the sound that
/// belongs to them; its times begin at zero.
TEST(Parts, StartAndDurationEqualTheWhole) {
  const std::string all = whole();
  const std::string part = std::filesystem::path(all).replace_filename("part.mkv");
  const Finished finished =
      transcode(media("seconds-2.mkv") + " --start 1.72 --duration 0.6 -o " + part);
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frame_hashes(part), slice(frame_hashes(all), 43, 58));
  EXPECT_NEAR(frame_times(part).front(), 0, 0.001);
  EXPECT_EQ(sound_hash(part), sound_hash(all, "atrim=start_sample=27520:end_sample=37120"));
}

/// Shards put together are the whole, pictures and sound, however many there are.
TEST(Parts, ShardsEqualTheWhole) {
  const std::string all = whole();
  const std::filesystem::path folder = std::filesystem::path(all).parent_path();
  for (const int count : {2, 5}) {
    Hashes frames;
    std::ofstream list(folder / "list");
    for (int index = 1; index <= count; ++index) {
      const std::string name = "shard" + std::to_string(index) + ".mkv";
      const Finished finished =
          transcode(media("seconds-2.mkv") + " --shard " + std::to_string(index) + "/" +
                    std::to_string(count) + " -o " + (folder / name).string());
      ASSERT_EQ(finished.status, 0) << finished.output;
      for (const std::string& hash : frame_hashes(folder / name)) {
        frames.push_back(hash);
      }
      list << "file '" << name << "'\n";
    }
    list.close();
    EXPECT_EQ(frames, frame_hashes(all)) << count;
    const std::string joined = folder / "joined.wav";
    const Finished join = run_process("ffmpeg -v error -y -f concat -i " +
                                      (folder / "list").string() + " -map 0:a " + joined);
    ASSERT_EQ(join.status, 0) << join.output;
    EXPECT_EQ(sound_hash(joined), sound_hash(all)) << count;
  }
}

/// The same command gives the same bytes.
TEST(Parts, AgainIsTheSame) {
  const std::string first = whole();
  const Hashes hashes = frame_hashes(first);
  EXPECT_EQ(hashes, frame_hashes(whole()));
}

/// Every frame of a variable rate belongs to exactly one shard.
TEST(Parts, ShardsOfAVariableRateLoseNothing) {
  const std::filesystem::path folder = empty_folder();
  Hashes frames;
  for (const char* index : {"1", "2", "3"}) {
    const std::string output = folder / (std::string(index) + ".mkv");
    const Finished finished =
        transcode(media("variable-rate.mkv") + " --shard " + index + "/3 -o " + output, kNoEdit);
    ASSERT_EQ(finished.status, 0) << finished.output;
    for (const std::string& hash : frame_hashes(output)) {
      frames.push_back(hash);
    }
  }
  EXPECT_EQ(frames, frame_hashes(media("variable-rate.mkv")));
}

class Ends : public testing::Test {
 protected:
  /// The clip has 40 frames in 1.6 s, the speech lasts 3 s: 75 frames.
  Hashes run(const std::string& mode) {
    const std::string output = empty_folder() / "out.mkv";
    const Finished finished =
        transcode(media("rate-25.mp4") + " --audio " + media("speech-long.wav") + " --video-end " +
                      mode + " -o " + output,
                  kNoEdit);
    EXPECT_EQ(finished.status, 0) << finished.output;
    const std::vector<double> times = frame_times(output);
    for (size_t frame = 0; frame < times.size(); ++frame) {
      EXPECT_NEAR(times[frame], 0.04 * double(frame), 0.0011);
    }
    sound_ = sound_hash(output);
    return frame_hashes(output);
  }

  const Hashes input_ = frame_hashes(media("rate-25.mp4"));
  std::string sound_;
};

/// stop: both end with the video.
TEST_F(Ends, Stop) {
  EXPECT_EQ(run("stop"), input_);
  EXPECT_EQ(sound_, sound_hash(media("speech-long.wav"), "atrim=end_sample=25600"));
}

/// hold: the last frame until the speech ends.
TEST_F(Ends, Hold) {
  Hashes wanted = input_;
  wanted.resize(75, input_.back());
  EXPECT_EQ(run("hold"), wanted);
  EXPECT_EQ(sound_, sound_hash(media("speech-long.wav")));
}

/// loop: from the beginning again.
TEST_F(Ends, Loop) {
  Hashes wanted = input_;
  wanted.insert(wanted.end(), input_.begin(), input_.begin() + 35);
  EXPECT_EQ(run("loop"), wanted);
}

/// pingpong: backwards.
TEST_F(Ends, PingPong) {
  Hashes wanted = input_;
  wanted.insert(wanted.end(), input_.rbegin(), input_.rbegin() + 35);
  EXPECT_EQ(run("pingpong"), wanted);
}

/// pingpong goes on forwards, and a part of it is that part of the whole of it.
TEST_F(Ends, PartOfManyPasses) {
  const std::string clip =
      media("no-audio.mp4") + " --audio " + media("speech-long.wav") + " --video-end pingpong -o ";
  const std::filesystem::path folder = empty_folder();
  ASSERT_EQ(transcode(clip + (folder / "whole.mkv").string()).status, 0);
  ASSERT_EQ(transcode(clip + (folder / "part.mkv").string() + " --start 2.2").status, 0);
  const Hashes all = frame_hashes(folder / "whole.mkv");
  ASSERT_EQ(all.size(), 75u);
  EXPECT_EQ(frame_hashes(folder / "part.mkv"), slice(all, 55, 75));
}

/// A last frame that the file shows for no time, or for nearly none, is shown like any other: it is
/// not lost, and what follows it goes on at the video's rate.
TEST_F(Ends, LastFrameOfNoDuration) {
  for (const char* clip : {"last-frame-short.mp4", "last-frame-instant.mp4"}) {
    for (const auto& [mode, frames] :
         {std::pair{"stop", 40}, {"hold", 75}, {"loop", 75}, {"pingpong", 75}}) {
      const std::string output = empty_folder() / "out.mp4";
      const Finished finished = transcode(media(clip) + " --audio " + media("speech-long.wav") +
                                              " --video-end " + mode + " -o " + output,
                                          kNoEdit);
      ASSERT_EQ(finished.status, 0) << clip << " " << mode << " " << finished.output;
      const std::vector<double> times = frame_times(output);
      EXPECT_GE(times.size(), size_t(frames)) << clip << " " << mode;
      EXPECT_LE(times.size(), size_t(frames + 1)) << clip << " " << mode;
      for (size_t frame = 1; frame < times.size(); ++frame) {
        EXPECT_NEAR(times[frame] - times[frame - 1], 0.04, 0.002)
            << clip << " " << mode << " " << frame;
      }
    }
  }
}

/// --frames writes a picture for every frame of the part, named by its number in the whole.
TEST(Frames, AreNumberedInTheWhole) {
  const std::filesystem::path folder = empty_folder();
  const Finished finished =
      transcode(media("seconds-2.mkv") + " --start 1 --duration 0.4 --frames " +
                (folder / "png").string() + " -o " + (folder / "out.mp4").string());
  ASSERT_EQ(finished.status, 0) << finished.output;
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "png")) {
    EXPECT_EQ(probe(entry.path(), "v", "width,height"), "288,288");
    ++count;
  }
  EXPECT_EQ(count, 10u);
  EXPECT_TRUE(std::filesystem::exists(folder / "png/00000025.png"));
  EXPECT_TRUE(std::filesystem::exists(folder / "png/00000034.png"));
}

/// The folder of --frames may have any name.
TEST(Frames, FolderWithPercentSigns) {
  const std::filesystem::path folder = empty_folder() / "50% done %s %d";
  std::filesystem::create_directory(folder);
  const Finished finished =
      transcode(media("no-face.mp4") + " --duration 0.08 --frames '" + folder.string() + "' -o '" +
                (folder / "out.mp4").string() + "'");
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_TRUE(std::filesystem::exists(folder / "00000000.png"));
  EXPECT_TRUE(std::filesystem::exists(folder / "00000001.png"));
}

}  // namespace
}  // namespace latentsync::test
