#include "tests/transcode/operations.h"

#include <fstream>
#include <string_view>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

constexpr char kPage[] = LATENTSYNC_SOURCE_ROOT "/docs/workflows.md";

/// The commands under HEADING, one behind the other.
std::string commands(const std::string& heading) {
  std::ifstream page(kPage);
  std::string all;
  bool within = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("## ")) {
      within = line == "## " + heading;
    } else if (within && line.starts_with("    ")) {
      all += line.substr(4) + "\n";
    }
  }
  EXPECT_FALSE(all.empty()) << heading;
  return all;
}

/// What the page names, in a folder of its own.
fs::path files() {
  const fs::path folder = empty_folder();
  for (const char* name : {"interview.mp4", "clip.mov", "lecture.mp4"}) {
    fs::copy_file(media("rate-25.mp4"), folder / name);
  }
  fs::copy_file(media("seconds-2.mkv"), folder / "take.mp4");
  for (const char* name : {"dub.wav", "vocals.wav", "song.wav", "translation.wav", "speech.wav"}) {
    fs::copy_file(media("speech-long.wav"), folder / name);
  }
  return folder;
}

/// Runs the commands under HEADING in FOLDER as they stand on the page.
Finished run(const fs::path& folder, const std::string& heading) {
  std::ofstream(folder / "commands") << commands(heading);
  const fs::path program = LATENTSYNC_TRANSCODE;
  return run_process("cd '" + folder.string() + "' && export PATH='" +
                     program.parent_path().string() + "':$PATH GST_PLUGIN_PATH='" +
                     (program.parent_path() / "../../gst").string() +
                     "' LATENTSYNC_ENGINE=" LATENTSYNC_FAKE_ENGINE "; timeout 300 sh -e commands");
}

TEST(Workflows, Interview) {
  const fs::path folder = files();
  const Finished finished = run(folder, "An interview, dubbed");
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frames_of(folder / "interview-dubbed.mp4"), 40u);
}

TEST(Workflows, MusicVideo) {
  const fs::path folder = files();
  const Finished finished = run(folder, "A music video");
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frames_of(folder / "clip-sung.mov"), 40u);
  EXPECT_EQ(probe(folder / "clip-sung.mov", "v", "codec_name"), "prores");
}

/// Fifty clips in folders, one of them damaged: the second run makes that one only. The model
/// stays, and memory does not grow with the number of clips.
TEST(Workflows, FiftyClips) {
  const fs::path folder = files();
  for (int clip = 0; clip < 50; ++clip) {
    const fs::path place = folder / "clips" / ("day " + std::to_string(clip / 10));
    fs::create_directories(place);
    fs::copy_file(media(clip == 7 ? "not-media.mp4" : "short.mp4"),
                  place / (std::to_string(clip) + ".mp4"));
  }
  const Finished first = run(folder, "Many short clips, into folders");
  EXPECT_EQ(first.status, 3) << first.output;
  EXPECT_NE(first.output.find("50 clips: 49 made, 0 kept, 1 failed"), std::string::npos)
      << first.output;
  fs::copy_file(media("short.mp4"), folder / "clips/day 0/7.mp4",
                fs::copy_options::overwrite_existing);
  const Finished second = run(folder, "Many short clips, into folders");
  EXPECT_EQ(second.status, 0) << second.output;
  EXPECT_NE(second.output.find("50 clips: 1 made, 49 kept, 0 failed"), std::string::npos)
      << second.output;
  EXPECT_TRUE(fs::exists(folder / "jobs.json"));
  EXPECT_EQ(frames_of(folder / "made/day 4/49.mp4"), 10u);
}

TEST(Workflows, Lecture) {
  const fs::path folder = files();
  const Finished finished = run(folder, "A lecture of half an hour");
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frames_of(folder / "lecture-translated.mp4"), 75u);
  EXPECT_EQ(frames_of(folder / "lecture-joined.mp4"), 75u);
  EXPECT_TRUE(fs::exists(folder / "lecture.json"));
}

TEST(Workflows, PreviewThenFinal) {
  const fs::path folder = files();
  const Finished finished = run(folder, "A preview, then the final version");
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frames_of(folder / "take-preview.mp4"), 49u);
  EXPECT_EQ(frames_of(folder / "take-final.mp4"), 74u);
}

TEST(Workflows, NoisySpeechInAPipeline) {
  const fs::path folder = files();
  const Finished finished = run(folder, "Noisy speech in a pipeline of your own");
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_NE(finished.output.find("replaygain track gain"), std::string::npos) << finished.output;
  EXPECT_EQ(frames_of(folder / "cleaned.mp4"), 74u);
}

}  // namespace
}  // namespace latentsync::test
