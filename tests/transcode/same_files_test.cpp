#include "tests/transcode/operations.h"

#include <fstream>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

constexpr char kPicture[] = "frames/00000003.png";

/// Everything that a command names, in a folder of its own.
fs::path files() {
  const fs::path folder = empty_folder();
  fs::create_directories(folder / "frames");
  fs::create_directories(folder / "model/vae");
  fs::create_directories(folder / "made");
  fs::copy_file(media("rate-25.mp4"), folder / "in.mp4");
  fs::copy_file(media("rate-30.mp4"), folder / "second.mp4");
  fs::copy_file(media("speech-long.wav"), folder / "speech.wav");
  for (const char* name :
       {"o.mkv", "s.json", "p.html", kPicture, "model/config.json", "model/latentsync_unet.pt",
        "model/vae/vae.safetensors", "made/in.mp4", "made/second.mp4"}) {
    std::ofstream(folder / name) << "content of " << name;
  }
  std::ofstream(folder / "list") << "in.mp4\tspeech.wav\nsecond.mp4\n";
  return folder;
}

/// What a command of one clip names; each can be another file's name.
struct Named {
  std::string input = "in.mp4";
  std::string audio = "speech.wav";
  std::string output = "o.mkv";
  std::string stats = "s.json";
  std::string report = "p.html";
  std::string model = "model";

  std::string arguments() const {
    return input + " --audio " + audio + " -o " + output + " --stats " + stats + " --report " +
           report + " --frames frames --set model-path=" + model;
  }
};

/// Runs and expects that nothing in FOLDER is touched.
void expect_untouched(const fs::path& folder, const std::string& arguments,
                      const std::string& says) {
  SCOPED_TRACE(arguments);
  const auto before = contents(folder);
  expect_refused(transcode_in(folder, arguments), says);
  EXPECT_TRUE(contents(folder) == before) << "a file was touched";
}

struct Pair {
  const char* written;
  const char* other;
};

constexpr Pair kPairs[] = {
    {"s.json", "in.mp4"},
    {"s.json", "speech.wav"},
    {"s.json", "o.mkv"},
    {"s.json", kPicture},
    {"s.json", "model/config.json"},
    {"s.json", "model/latentsync_unet.pt"},
    {"s.json", "model/vae/vae.safetensors"},
    {"o.mkv", "in.mp4"},
    {"o.mkv", "speech.wav"},
    {"o.mkv", "s.json"},
    {"o.mkv", kPicture},
    {"o.mkv", "model/latentsync_unet.pt"},
    {"p.html", "in.mp4"},
    {"p.html", "s.json"},
    {"p.html", "o.mkv"},
    {"p.html", kPicture},
    {"p.html", "model/config.json"},
    {kPicture, "in.mp4"},
    {kPicture, "speech.wav"},
    {kPicture, "o.mkv"},
    {kPicture, "s.json"},
    {kPicture, "model/config.json"},
};

/// What a link makes one file of is refused, whichever of the two is written.
TEST(SameFile, ByHardLink) {
  for (const Pair& pair : kPairs) {
    const fs::path folder = files();
    fs::remove(folder / pair.written);
    fs::create_hard_link(folder / pair.other, folder / pair.written);
    expect_untouched(folder, Named().arguments(), "; name another one");
  }
}

TEST(SameFile, BySymbolicLink) {
  for (const Pair& pair : kPairs) {
    const fs::path folder = files();
    fs::remove(folder / pair.written);
    fs::create_symlink(folder / pair.other, folder / pair.written);
    expect_untouched(folder, Named().arguments(), "; name another one");
  }
}

/// The same the other way round: what is read is a link to what is written.
TEST(SameFile, LinkToTheWritten) {
  for (const Pair& pair : kPairs) {
    const fs::path folder = files();
    fs::rename(folder / pair.other, folder / pair.written);
    fs::create_symlink(folder / pair.written, folder / pair.other);
    expect_untouched(folder, Named().arguments(), "; name another one");
  }
}

TEST(SameFile, ByName) {
  const auto check = [](Named named, const std::string& says) {
    expect_untouched(files(), named.arguments(), says);
  };
  check({.stats = "in.mp4"}, "--stats in.mp4: this is the input itself; name another one");
  check({.stats = "./made/../in.mp4"},
        "--stats ./made/../in.mp4: this is the input itself (in.mp4); name another one");
  check({.stats = "speech.wav"}, "--stats speech.wav: this is the speech itself");
  check({.stats = "o.mkv"}, "--stats o.mkv: this is the output itself");
  check({.stats = "./o.mkv"}, "--stats ./o.mkv: this is the output itself (o.mkv)");
  check({.stats = kPicture}, "this is the report of --stats");
  check({.stats = "model/config.json"}, "this is a file of the model");
  check({.stats = ".o.mkv.latentsync-lock"}, "this is the lock of the output");
  check({.report = "s.json"}, "--report s.json: this is the report of --stats; name another one");
  check({.report = "./o.mkv"}, "--report ./o.mkv: this is the output itself (o.mkv)");
  check({.report = kPicture}, "this is the page of --report");
  check({.stats = ".p.html.latentsync-lock"}, "this is the report of --stats");
  check({.output = "in.mp4"}, "in.mp4: this is the input itself; name another one");
  check({.input = "speech.wav.mp4", .audio = "in.mp4", .output = "in.mp4"},
        "in.mp4: this is the speech itself");
  check({.input = kPicture}, "--frames");
  check({.audio = kPicture}, "--frames");
  check({.input = "file://$PWD/in.mp4", .stats = "in.mp4"}, "this is the input itself");
  check({.input = "/dev/stdin <in.mp4", .stats = "in.mp4"}, "this is the input itself");
}

/// Files that are not there yet are told from each other by their folder and name.
TEST(SameFile, NotThereYet) {
  const auto check = [](const std::string& arguments, const std::string& says) {
    const fs::path folder = files();
    fs::create_directory_symlink("made", folder / "link");
    fs::create_symlink("made/new.mkv", folder / "dangling.json");
    expect_untouched(folder, "in.mp4 " + arguments, says);
  };
  check("-o new.mkv --stats new.mkv", "--stats new.mkv: this is the output itself");
  check("-o made/new.mkv --stats link/new.mkv", "this is the output itself (made/new.mkv)");
  check("-o made/new.mkv --stats dangling.json", "this is the output itself (made/new.mkv)");
  check("-o new.mkv --frames new.mkv", "--frames new.mkv: this is the output itself");
  check("-o new.mkv --frames new.mkv/frames", "this is the output itself (new.mkv)");
  check("-o o.mkv --frames new --stats new/", "--frames new: this is the report of --stats (new/)");
  check("-o o.mkv --frames made --stats link/00000000.png", "this is the report of --stats");
  check("-o new.mkv --set disk-cache-dir=new.mkv",
        "disk-cache-dir=new.mkv: this is the output itself");
  check("-o made/new.mkv --set disk-cache-dir=link/new.mkv/cache",
        "this is the output itself (made/new.mkv)");
  check("-o new.mkv --set disk-cache-dir=in.mp4",
        "disk-cache-dir=in.mp4: this is the input itself");
  check("-o made/in.mkv --stats link/.in.mkv.latentsync-lock", "this is the lock of the output");
}

/// Messages do not go into what is written.
TEST(SameFile, StandardError) {
  const fs::path folder = files();
  const Finished finished =
      run_process("cd " + folder.string() + " && " + job("in.mp4 -o o.mkv --stats log 2>log"));
  EXPECT_EQ(finished.status, 1);
  EXPECT_NE(contents(folder)["log"].find("--stats log: this is where messages are written"),
            std::string::npos);
}

/// No output of a batch is another clip's input or speech, the list, or another output.
TEST(SameFile, InABatch) {
  for (const char* other : {"in.mp4", "second.mp4", "speech.wav", "list", "made/second.mp4"}) {
    for (const bool hard : {true, false}) {
      const fs::path folder = files();
      fs::remove(folder / "made/in.mp4");
      hard ? fs::create_hard_link(folder / other, folder / "made/in.mp4")
           : fs::create_symlink(folder / other, folder / "made/in.mp4");
      expect_untouched(folder, "--batch list -o made", "; name another one");
    }
  }
  expect_untouched(files(), "--batch list -o .", "in.mp4: this is the input itself");
  expect_untouched(files(), "--batch made -o made", "in.mp4: this is the input itself");
}

/// Files that only look alike are written; an older output and report are replaced.
TEST(SameFile, OtherFilesAreWritten) {
  const fs::path folder = files();
  fs::copy_file(folder / "in.mp4", folder / "zz.mp4.partial");
  const auto before = contents(folder);
  const Finished finished =
      transcode_in(folder,
                   "zz.mp4.partial --audio zz.mp4.partial -o zz.mp4 --stats s.json --report p.html "
                   "--frames frames");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frames_of(folder / "zz.mp4"), 40u);
  auto after = contents(folder);
  EXPECT_TRUE(after["zz.mp4.partial"] == before.at("zz.mp4.partial"));
  EXPECT_TRUE(after["s.json"].starts_with("{"));
  EXPECT_TRUE(after["p.html"].starts_with("<!DOCTYPE html>"));
  EXPECT_NE(after[kPicture], before.at(kPicture));
  const Finished silent = transcode_in(
      folder, "in.mp4 -o o.mkv --stats /dev/null --report /dev/null >/dev/null 2>/dev/null");
  EXPECT_EQ(silent.status, 0);
}

/// The folder of a cache that is off is of no concern.
TEST(SameFile, FolderOfNoCache) {
  const fs::path folder = files();
  const Finished finished =
      transcode_in(folder, "in.mp4 -o new.mkv --no-cache --set disk-cache-dir=new.mkv");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frames_of(folder / "new.mkv"), 40u);
}

/// Nobody waits for a picture's pipe.
TEST(SameFile, PictureThatIsAPipe) {
  const fs::path folder = files();
  const Finished finished =
      run_process("cd " + folder.string() + " && mkfifo frames/00000007.png && " +
                  job("in.mp4 -o new.mkv --frames frames", "", 5));
  expect_refused(finished, "frames/00000007.png is not a file");
  EXPECT_FALSE(fs::exists(folder / "new.mkv"));
}

}  // namespace
}  // namespace latentsync::test
