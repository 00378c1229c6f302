#include "tests/transcode/support.h"

#include <chrono>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

struct Complaint {
  const char* name;
  std::string arguments;  ///< OUT stands for the output
  int status;
  const char* says;
  const char* environment = "";
};

void PrintTo(const Complaint& complaint, std::ostream* out) { *out << complaint.name; }

class Complains : public testing::TestWithParam<Complaint> {};

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const size_t at = text.find(what);
  return at == std::string::npos ? text : text.replace(at, what.size(), with);
}

/// What is wrong is said in one line that names it, with its exit status; no output is left behind.
TEST_P(Complains, InOneLine) {
  const fs::path folder = empty_folder();
  std::string arguments = GetParam().arguments;
  const size_t at = arguments.find("MEDIA/");
  if (at != std::string::npos) {
    media("");
    arguments = replaced(arguments, "MEDIA/", media(""));
  }
  arguments = replaced(arguments, "MEDIA/", media(""));
  arguments = replaced(arguments, "OUT", (folder / "out").string());
  const Finished finished = transcode(arguments, GetParam().environment);
  EXPECT_EQ(finished.status, GetParam().status) << finished.output;
  EXPECT_NE(finished.output.find(GetParam().says), std::string::npos) << finished.output;
  std::istringstream lines(finished.output);
  int complaints = 0;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_EQ(line.find("CRITICAL"), std::string::npos) << line;
    complaints += line.starts_with("latentsync-transcode: ") ? 1 : 0;
  }
  EXPECT_EQ(complaints, 1) << finished.output;
  EXPECT_TRUE(fs::is_empty(folder)) << finished.output;
}

const std::string kClip = "MEDIA/rate-25.mp4";

INSTANTIATE_TEST_SUITE_P(
    Command, Complains,
    testing::Values(
        Complaint{"NoSuchFile", "/nowhere/in.mp4 -o OUT.mp4", 3, "/nowhere/in.mp4: no such file"},
        Complaint{"NoSuchAudio", kClip + " --audio /nowhere/a.wav -o OUT.mp4", 3,
                  "/nowhere/a.wav: no such file"},
        Complaint{"Folder", "/tmp -o OUT.mp4", 3, "--batch"},
        Complaint{"NoVideo", "MEDIA/audio-only.m4a -o OUT.mp4", 3, "there is no video"},
        Complaint{"NoAudio", "MEDIA/no-audio.mp4 -o OUT.mp4", 3, "--audio FILE"},
        Complaint{"NoAudioInAudio", kClip + " --audio MEDIA/no-audio.mp4 -o OUT.mp4", 3,
                  "there is no audio"},
        Complaint{"NotMedia", "MEDIA/not-media.mp4 -o OUT.mp4", 3, "not a media file"},
        Complaint{"Empty", "MEDIA/empty.mp4 -o OUT.mp4", 3, "not a media file"},
        Complaint{"CutOffHead", "MEDIA/cut-off-head.mp4 -o OUT.mp4", 3, "damaged or cut off"},
        Complaint{"NoInput", "-o OUT.mp4", 2, "INPUT"},
        Complaint{"NoOutput", kClip, 2, "-o OUT.mp4"},
        Complaint{"UnknownOption", kClip + " --ouput OUT.mp4", 2, "--ouput"},
        Complaint{"UnknownExtension", kClip + " -o OUT.gif", 2, ".webm"},
        Complaint{"NoSuchFolder", kClip + " -o /nowhere/out.mp4", 1, "no folder /nowhere"},
        Complaint{"UnwritableFolder", kClip + " -o /proc/out.mp4", 1, "cannot be written"},
        Complaint{"OutputIsInput", kClip + " -o " + kClip, 1, "the input itself"},
        Complaint{"UnknownPreset", kClip + " --preset turbo -o OUT.mp4", 2,
                  "there are 6gb, final, interview, lecture, live"},
        Complaint{"UnknownProperty", kClip + " --set sed=1 -o OUT.mp4", 2, "seed"},
        Complaint{"ReadOnlyProperty", kClip + " --set stats=1 -o OUT.mp4", 2,
                  "no such property to set"},
        Complaint{"ValueOutOfRange", kClip + " --set lips-expression=9 -o OUT.mp4", 2, "1 to 3"},
        Complaint{"ValueOfNoEnum", kClip + " --set attention-mode=quick -o OUT.mp4", 2,
                  "flex, flash, standard"},
        Complaint{"ValueIsNoNumber", kClip + " --set seed=many -o OUT.mp4", 2, "seed"},
        Complaint{"CacheAndNoCache", kClip + " --no-cache --set disk-cache=true -o OUT.mp4", 2,
                  "--no-cache excludes --set disk-cache=true"},
        Complaint{"NoValue", kClip + " --set seed -o OUT.mp4", 2, "PROPERTY=VALUE"},
        Complaint{"BadTime", kClip + " --start soon -o OUT.mp4", 2, "not a time"},
        Complaint{"StartAfterTheEnd", kClip + " --start 1:00 -o OUT.mp4", 3,
                  "there are only 1.600 s"},
        Complaint{"BadShard", kClip + " --shard 3/2 -o OUT.mp4", 2, "2/4"},
        Complaint{"TooManyShards", kClip + " --shard 1/50 -o OUT.mp4", 3, "fewer"},
        Complaint{"ShardOfABatch", "--batch MEDIA/empty.mp4 --shard 1/2 -o OUT", 2,
                  "split -n l/8 LIST LIST-"},
        Complaint{"BadVideoEnd", kClip + " --video-end reverse -o OUT.mp4", 2, "pingpong"},
        Complaint{"NoModel", kClip + " -o OUT.mp4", 3, "",
                  "LATENTSYNC_FAKE=load-failure=not-found"},
        Complaint{"DeviceFails", kClip + " -o OUT.mp4", 75, "",
                  "LATENTSYNC_FAKE=render-failure=device@1"},
        Complaint{"NoEngine", kClip + " -o OUT.mp4", 75, "engine",
                  "LATENTSYNC_FAKE=open-failure=device"},
        Complaint{"UnwritableFrames", kClip + " --frames /proc/frames -o OUT.mp4", 1, "--frames"},
        Complaint{"NoFolderForStats", kClip + " --stats /nowhere/s.json -o OUT.mp4", 1,
                  "--stats /nowhere/s.json: cannot be written"}),
    [](const testing::TestParamInfo<Complaint>& info) { return info.param.name; });

/// An encoder that is not installed is named with its Debian package.
TEST(Command, MissingEncoder) {
  const fs::path folder = empty_folder();
  const std::string plugins = (folder / "plugins").string();
  const Finished linked = run_process(
      "mkdir " + plugins + " && ln -s $(pkg-config --variable=pluginsdir gstreamer-1.0)/*.so " +
      plugins + " && rm " + plugins + "/libgstx264.so");
  ASSERT_EQ(linked.status, 0) << linked.output;
  const Finished finished = transcode(
      media("rate-25.mp4") + " -o " + (folder / "out.mp4").string(),
      "GST_REGISTRY=" + (folder / "registry").string() + " GST_PLUGIN_SYSTEM_PATH=" + plugins);
  EXPECT_EQ(finished.status, 1);
  EXPECT_NE(finished.output.find("apt install gstreamer1.0-plugins-ugly"), std::string::npos)
      << finished.output;
}

/// An output that was there before stays as it was when the run fails.
TEST(Command, FailureKeepsTheOldOutput) {
  const fs::path output = empty_folder() / "out.mp4";
  std::ofstream(output) << "before";
  transcode(media("rate-25.mp4") + " -o " + output.string(),
            "LATENTSYNC_FAKE=render-failure=device@1");
  std::ostringstream content;
  content << std::ifstream(output).rdbuf();
  EXPECT_EQ(content.str(), "before");
}

/// Ctrl-C ends the file where it is: it plays, and the exit status says that it is not all.
TEST(Command, InterruptedFilePlays) {
  const fs::path folder = empty_folder();
  const std::string output = folder / "out.mp4";
  const std::string first = folder / "png/00000000.png";
  const Finished finished =
      run_process("export LATENTSYNC_FAKE=delay=500ms LATENTSYNC_ENGINE=" LATENTSYNC_FAKE_ENGINE
                  "; timeout -k 5 60 " LATENTSYNC_TRANSCODE " " +
                  media("seconds-2.mkv") + " --set window-frames=4 --frames " +
                  (folder / "png").string() + " -o " + output + " & while [ ! -e " + first +
                  " ] && kill -0 $!; do sleep 0.05; done; pkill -INT -P $!; wait $!");
  EXPECT_EQ(finished.status, 130) << finished.output;
  EXPECT_NE(finished.output.find("interrupted"), std::string::npos) << finished.output;
  const size_t frames = frame_times(output).size();
  EXPECT_GT(frames, 0u);
  EXPECT_LT(frames, 74u);
}

/// Ctrl-C before the first frame, and a second one, end at once and leave nothing.
TEST(Command, InterruptedAtOnce) {
  const fs::path folder = empty_folder();
  const std::string command = " LATENTSYNC_ENGINE=" LATENTSYNC_FAKE_ENGINE
                              " timeout --preserve-status -s INT 0.8 " LATENTSYNC_TRANSCODE " " +
                              media("seconds-2.mkv") + " -o " + (folder / "out.mp4").string();
  const Finished loading = run_process("LATENTSYNC_FAKE=load-delay=5s" + command);
  EXPECT_EQ(loading.status, 130) << loading.output;
  EXPECT_TRUE(fs::is_empty(folder));
}

/// The cache is on unless --no-cache or a setting turns it off, also with a preset that turns it
/// on; windows that it had are counted on the last lines and in --stats.
TEST(Command, WindowsFromTheCache) {
  const fs::path folder = empty_folder();
  const std::string stats = folder / "s.json";
  for (const auto& [options, hits] : {std::pair("", 2),
                                      {"--set disk-cache=true", 2},
                                      {"--no-cache", 0},
                                      {"--set disk-cache=false", 0},
                                      {"--preset lecture", 2},
                                      {"--preset lecture --no-cache", 0}}) {
    const Finished finished = transcode(media("rate-25.mp4") + " " + options + " --stats " + stats +
                                            " -o " + (folder / "out.mp4").string(),
                                        "LATENTSYNC_FAKE=cached=2");
    ASSERT_EQ(finished.status, 0) << finished.output;
    const bool told =
        finished.output.find("out.mp4: 3 windows, 2 from the cache\n") != std::string::npos;
    EXPECT_EQ(told, hits > 0) << options << finished.output;
    EXPECT_EQ(run_process("python3 -c \"import json,sys; "
                          "print(json.load(open(sys.argv[1]))['element']['cache-hits'])\" " +
                          stats)
                  .output,
              std::to_string(hits) + "\n")
        << options;
  }
}

/// A job that is longer than the cache has room for is told so, with what would be enough; not
/// where nothing would be found again anyway.
TEST(Command, RoomInTheCache) {
  const std::string clip = media("rate-25.mp4") + " -o " + (empty_folder() / "out.mkv").string();
  // A frame takes 13 x 64 x 64 float32, and a little.
  constexpr char kLine[] =
      "out.mkv: the cache has room for 4 of the 40 frames; if this job is stopped and started "
      "again, the others are rendered anew; --set disk-cache-size=9 keeps all of them\n";
  for (const auto& [options, told] : {std::pair(" --set disk-cache-size=1", true),
                                      {" --set disk-cache-size=9", false},
                                      {"", false},
                                      {" --set disk-cache-size=1 --no-cache", false},
                                      {" --set disk-cache-size=1 --set seed=-1", false}}) {
    const Finished finished = transcode(clip + options, "LATENTSYNC_FAKE=resolution=512");
    EXPECT_EQ(finished.status, 0) << finished.output;
    EXPECT_EQ(finished.output.find(kLine) != std::string::npos, told) << options << finished.output;
    EXPECT_EQ(finished.output.find("has room") != std::string::npos, told) << finished.output;
  }
}

/// The same command makes the same bytes, of the container too: it has no date and no random
/// number.
TEST(Command, SameBytesAgain) {
  const fs::path folder = empty_folder();
  const auto make = [&](const std::string& name, const std::string& extension) {
    const std::string output = folder / (name + extension);
    const Finished finished = transcode(media("short.mp4") + " -o " + output);
    EXPECT_EQ(finished.status, 0) << finished.output;
    std::ostringstream content;
    content << std::ifstream(output, std::ios::binary).rdbuf();
    return content.str();
  };
  std::map<std::string, std::string> first;
  for (const char* extension : {".mkv", ".mp4", ".mov", ".webm"}) {
    first[extension] = make("first", extension);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // dates have seconds
  for (const auto& [extension, bytes] : first) {
    EXPECT_TRUE(bytes == make("second", extension)) << extension;
  }
}

/// --stats is JSON with the frames and the element's own figures.
TEST(Command, Stats) {
  const fs::path folder = empty_folder();
  const Finished finished =
      transcode(media("rate-25.mp4") + " --stats " + (folder / "s.json").string() + " -o " +
                (folder / "out.mp4").string());
  ASSERT_EQ(finished.status, 0) << finished.output;
  const Finished checked = run_process(
      "python3 -c \"import json,sys; s=json.load(open(sys.argv[1])); assert s['whole'] and "
      "s['frames']==40, s; "
      "assert s['frames_per_second'] > 0, s; "
      "assert s['element']['windows'] >= 3, s\" " +
      (folder / "s.json").string());
  EXPECT_EQ(checked.status, 0) << checked.output;
}

/// The rate of a clip that is one window, and so comes out at once, counts from the loaded model
/// on.
TEST(Command, RateOfOneWindow) {
  const fs::path folder = empty_folder();
  const Finished finished =
      transcode(media("rate-25.mp4") + " --duration 0.4 --stats " + (folder / "s.json").string() +
                    " -o " + (folder / "out.mkv").string(),
                "LATENTSYNC_FAKE=delay=500ms");
  ASSERT_EQ(finished.status, 0) << finished.output;
  const Finished checked = run_process(
      "python3 -c \"import json,sys; s=json.load(open(sys.argv[1])); assert s['frames']==10, s; "
      "assert 1 < s['frames_per_second'] < 21, s\" " +
      (folder / "s.json").string());
  EXPECT_EQ(checked.status, 0) << checked.output;
}

/// A report that cannot be written in the end is a warning: the output is whole.
TEST(Command, DiskFullForStats) {
  const fs::path output = empty_folder() / "out.mp4";
  const Finished finished =
      transcode(media("rate-25.mp4") + " --stats /dev/full -o " + output.string());
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_NE(finished.output.find("warning: /dev/full: cannot be written"), std::string::npos)
      << finished.output;
  EXPECT_EQ(frame_times(output).size(), 40u);
}

/// A run that fails leaves an older report as it was, and no new one.
TEST(Command, FailureKeepsTheOldStats) {
  const fs::path folder = empty_folder();
  std::ofstream(folder / "old.json") << "before";
  for (const char* name : {"old.json", "new.json"}) {
    transcode(media("rate-25.mp4") + " --stats " + (folder / name).string() + " -o " +
                  (folder / "out.mp4").string(),
              "LATENTSYNC_FAKE=render-failure=device@1");
  }
  std::ostringstream content;
  content << std::ifstream(folder / "old.json").rdbuf();
  EXPECT_EQ(content.str(), "before");
  EXPECT_FALSE(fs::exists(folder / "new.json"));
}

/// A batch goes on after a clip that fails, says so in its exit status, and loads the model once.
TEST(Command, Batch) {
  const fs::path folder = empty_folder();
  std::ofstream(folder / "list") << "# clips\n"
                                 << media("rate-25.mp4") << "\n"
                                 << media("not-media.mp4") << "\n"
                                 << media("no-audio.mp4") << "\t" << media("speech-long.wav")
                                 << "\n";
  const Finished finished =
      transcode("--batch " + (folder / "list").string() + " -o " + (folder / "made").string(),
                "LATENTSYNC_FAKE=load-delay=1s");
  EXPECT_EQ(finished.status, 3) << finished.output;
  EXPECT_EQ(frame_times(folder / "made/rate-25.mp4").size(), 40u);
  EXPECT_EQ(frame_times(folder / "made/no-audio.mp4").size(), 24u);
  EXPECT_FALSE(fs::exists(folder / "made/not-media.mp4"));
}

/// Two clips that would be written to one file are both named, and nothing is begun.
TEST(Command, BatchOfTwoWithOneName) {
  const fs::path folder = empty_folder();
  fs::create_directory(folder / "clips");
  for (const char* name : {"one.mov", "one.mp4"}) {
    fs::create_symlink(media("rate-25.mp4"), folder / "clips" / name);
  }
  const Finished finished =
      transcode("--batch " + (folder / "clips").string() + " -o " + (folder / "made").string());
  EXPECT_EQ(finished.status, 1) << finished.output;
  const std::string said = (folder / "clips/one.mov").string() + " and " +
                           (folder / "clips/one.mp4").string() + " would both be written to " +
                           (folder / "made/one.mp4").string();
  EXPECT_NE(finished.output.find(said), std::string::npos) << finished.output;
  EXPECT_FALSE(fs::exists(folder / "made"));
}

/// Where standard error is no terminal, progress is whole lines.
TEST(Command, PlainProgress) {
  const std::string output = empty_folder() / "out.mp4";
  const Finished finished = transcode(media("rate-25.mp4") + " -o " + output);
  EXPECT_EQ(finished.output.find('\r'), std::string::npos);
  EXPECT_NE(finished.output.find("40 frames"), std::string::npos) << finished.output;
}

/// On a terminal it is one line with frames, rate and the time that is left.
TEST(Command, ProgressOnATerminal) {
  const std::string output = empty_folder() / "out.mp4";
  const Finished finished =
      run_process("LATENTSYNC_FAKE=delay=300ms LATENTSYNC_ENGINE=" LATENTSYNC_FAKE_ENGINE
                  " script -qec '" LATENTSYNC_TRANSCODE " " +
                  media("rate-25.mp4") + " -o " + output + "' /dev/null");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_NE(finished.output.find('\r'), std::string::npos);
  EXPECT_NE(finished.output.find("/40 frames"), std::string::npos) << finished.output;
  EXPECT_NE(finished.output.find(" left"), std::string::npos) << finished.output;
}

}  // namespace
}  // namespace latentsync::test
