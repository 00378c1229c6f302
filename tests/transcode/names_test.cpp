#include "tests/transcode/operations.h"

#include <fstream>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFrames = 40;  ///< of rate-25.mp4

class LooksLikeAUri : public testing::TestWithParam<const char*> {};

/// A file that exists is a file, whatever its name looks like: as INPUT, as speech, and in a list
/// whose names count from its own folder.
TEST_P(LooksLikeAUri, IsAFile) {
  const fs::path folder = empty_folder();
  const std::string name = GetParam();
  const fs::path path = folder / "clips" / name;
  fs::create_directories(path.parent_path());
  fs::copy_file(media("rate-25.mp4"), path);
  Finished finished =
      transcode_in(folder / "clips", "'" + name + "' --audio '" + name + "' -o ../o.mkv");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frames_of(folder / "o.mkv"), kFrames);
  std::ofstream(folder / "clips/list") << name << '\t' << name << '\n';
  finished = transcode_in(folder, "--batch clips/list -o made");
  EXPECT_EQ(finished.status, 0) << finished.output;
  const fs::path made = fs::path(name).replace_extension(".mp4");
  EXPECT_EQ(frames_of(folder / "made" / made), kFrames);
}

INSTANTIATE_TEST_SUITE_P(Names, LooksLikeAUri,
                         testing::Values("take:2.mp4", "http:.mp4", "file:x.mp4", "ab:c/x.mp4",
                                         "fd:0.mp4", "c:\\clip.mp4", "a b?#%41.mp4"));

/// A file: URI still names its file, and a name that is neither is called a missing file.
TEST(Names, UrisStillWork) {
  const fs::path folder = empty_folder();
  Finished finished = transcode_in(folder, "file://" + media("rate-25.mp4") + " -o o.mkv");
  EXPECT_EQ(finished.status, 0) << finished.output;
  for (const char* name :
       {"take:3.mp4", "file:y.mp4", "file:///nowhere/y.mp4", "nowhere://x.mp4"}) {
    finished = transcode_in(folder, std::string(name) + " -o p.mkv");
    expect_refused(finished, std::string(name) + ": no such file", 3);
  }
}

struct List {
  const char* name;
  std::string before;  ///< bytes before the first line
  std::string end;     ///< of a line
};

void PrintTo(const List& list, std::ostream* out) { *out << list.name; }

class Lists : public testing::TestWithParam<List> {};

/// A list is read as editors of other systems write it.
TEST_P(Lists, OfOtherSystems) {
  const fs::path folder = empty_folder();
  const List& list = GetParam();
  fs::copy_file(media("rate-25.mp4"), folder / "a b.mp4");
  std::ofstream(folder / "list", std::ios::binary)
      << list.before << "# clips" << list.end << list.end << "  " << list.end << "a b.mp4\ta b.mp4"
      << list.end;
  const Finished finished = transcode_in(folder, "--batch list -o made");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frames_of(folder / "made/a b.mp4"), kFrames);
}

INSTANTIATE_TEST_SUITE_P(
    Names, Lists,
    testing::Values(List{"Plain", "", "\n"}, List{"Mark", "\xef\xbb\xbf", "\n"},
                    List{"MarkAndCrLf", "\xef\xbb\xbf", "\r\n"}, List{"CrLf", "", "\r\n"},
                    List{"Cr", "", "\r"},
                    List{"TwoListsWithMarks", "\xef\xbb\xbf#\n\xef\xbb\xbf", "\n"}),
    [](const testing::TestParamInfo<List>& info) { return info.param.name; });

/// A list in UTF-16 or a video in its place is told as such.
TEST(Names, ListThatIsNoText) {
  const fs::path folder = empty_folder();
  const std::string text = "clip.mp4\r\n";
  for (const bool big_end : {false, true}) {
    for (const bool mark : {false, true}) {
      std::ofstream list(folder / "list", std::ios::binary);
      if (mark) list << (big_end ? "\xfe\xff" : "\xff\xfe");
      for (const char letter : text) {
        if (big_end) list << '\0' << letter;
        if (!big_end) list << letter << '\0';
      }
      list.close();
      expect_refused(transcode_in(folder, "--batch list -o made"),
                     "--batch list: this list is UTF-16 text; save it as UTF-8", 3);
    }
  }
  expect_refused(transcode_in(folder, "--batch " + media("rate-25.mp4") + " -o made"),
                 "leave out --batch", 3);
  EXPECT_FALSE(fs::exists(folder / "made"));
}

/// A list from a pipe counts its names from the working folder.
TEST(Names, ListFromAPipe) {
  const fs::path folder = empty_folder();
  fs::copy_file(media("rate-25.mp4"), folder / "a.mp4");
  const Finished finished = run_process("cd " + folder.string() + " && echo a.mp4 | " +
                                        job("--batch /dev/stdin -o made"));
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frames_of(folder / "made/a.mp4"), kFrames);
}

struct Once {
  const char* name;
  const char* input;  ///< as the command names it
  const char* says;
};

void PrintTo(const Once& once, std::ostream* out) { *out << once.name; }

class ReadOnce : public testing::TestWithParam<Once> {};

/// What nothing can be copied from is refused at once, before anything is opened: as INPUT and as
/// speech.
TEST_P(ReadOnce, IsRefusedAtOnce) {
  const fs::path folder = empty_folder();
  const std::string input = GetParam().input;
  const std::string clip = media("rate-25.mp4");
  for (const std::string& arguments :
       {input + " -o o.mkv", clip + " --audio " + input + " -o o.mkv"}) {
    const Finished finished = run_process("cd " + folder.string() +
                                          " && python3 -c \"import socket; "
                                          "socket.socket(socket.AF_UNIX).bind('socket')\" && " +
                                          job(arguments, "", 5));
    expect_refused(finished, GetParam().says, 3);
    fs::remove(folder / "socket");
    EXPECT_TRUE(fs::is_empty(folder));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Names, ReadOnce,
    testing::Values(Once{"Socket", "socket",
                         "socket is a socket; the file is read several times: save it first"},
                    Once{"Device", "/dev/zero",
                         "/dev/zero is a device; the file is read several times: save it first"}),
    [](const testing::TestParamInfo<Once>& info) { return info.param.name; });

class Piped : public testing::TestWithParam<Once> {};

/// A pipe, by whatever name, is copied once and said so; the output is that of the file, and no
/// copy is left.
TEST_P(Piped, IsCopied) {
  const fs::path folder = empty_folder();
  const std::string clip = media("rate-25.mp4");
  const std::string fifo = "mkfifo fifo && ln -s fifo link.mp4 && (cat " + clip + " >fifo &) ; ";
  const bool named = std::string(GetParam().input).find("fi") != std::string::npos ||
                     std::string(GetParam().input).find("link") != std::string::npos;
  ASSERT_EQ(transcode(clip + " -o " + (folder / "wanted.mkv").string()).status, 0);
  fs::create_directory(folder / "copies");
  const Finished finished =
      run_process("cd " + folder.string() + " && " + (named ? fifo : "cat " + clip + " | ") +
                  job(std::string(GetParam().input) + " -o o.mkv",
                      "TMPDIR=" + (folder / "copies").string(), 30));
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_NE(finished.output.find(GetParam().says), std::string::npos) << finished.output;
  EXPECT_EQ(frame_hashes(folder / "o.mkv"), frame_hashes(folder / "wanted.mkv"));
  EXPECT_EQ(sound_hash(folder / "o.mkv"), sound_hash(folder / "wanted.mkv"));
  EXPECT_TRUE(fs::is_empty(folder / "copies"));
}

INSTANTIATE_TEST_SUITE_P(
    Names, Piped,
    testing::Values(Once{"Fifo", "fifo", "fifo can be read only once: copied to a temporary file"},
                    Once{"LinkToAFifo", "link.mp4", "link.mp4 can be read only once"},
                    Once{"FileUri", "file://$PWD/fifo", "/fifo can be read only once"},
                    Once{"StandardInput", "/dev/stdin", "/dev/stdin can be read only once"},
                    Once{"Descriptor", "/dev/fd/0", "/dev/fd/0 can be read only once"},
                    Once{"DescriptorUri", "fd://0", "fd://0 can be read only once"},
                    Once{"Dash", "-", "- can be read only once"}),
    [](const testing::TestParamInfo<Once>& info) { return info.param.name; });

/// Speech and sound may be pipes too, each its own.
TEST(Names, SpeechAndSoundFromPipes) {
  const fs::path folder = empty_folder();
  const std::string speech = media("speech-long.wav");
  const std::string command = job(media("no-audio.mp4") + " --audio <(cat " + speech +
                                  ") --sound <(cat " + speech + ") -o o.mkv");
  const Finished finished = run_process("cd " + folder.string() + " && bash -c '" + command + "'");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(sound_hash(folder / "o.mkv"), sound_hash(speech, "atrim=end_sample=15360"));
}

/// Standard input may also be a file; that is read where it is.
TEST(Names, StandardInputThatIsAFile) {
  const fs::path folder = empty_folder();
  const Finished finished =
      run_process("cd " + folder.string() + " && " + job("- -o o.mkv <" + media("rate-25.mp4")));
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(finished.output.find("copied"), std::string::npos) << finished.output;
  EXPECT_EQ(frames_of(folder / "o.mkv"), kFrames);
}

/// Where there is no room for the copy, a line says what to do.
TEST(Names, NoRoomForACopy) {
  const fs::path folder = empty_folder();
  expect_refused(run_process("cd " + folder.string() + " && cat " + media("rate-25.mp4") + " | " +
                             job("- -o o.mkv", "TMPDIR=/proc", 30)),
                 "set TMPDIR to a folder with room");
}

/// A batch goes on after a pipe in its list that nobody writes to.
TEST(Names, PipeInAList) {
  const fs::path folder = empty_folder();
  std::ofstream(folder / "list") << "fifo\n" << media("rate-25.mp4") << "\n";
  const Finished finished = run_process("cd " + folder.string() + " && mkfifo fifo && " +
                                        job("--batch list -o made", "LATENTSYNC_PATIENCE=2"));
  EXPECT_EQ(finished.status, 75) << finished.output;
  EXPECT_NE(finished.output.find("fifo: nothing was written to this pipe for 2 s"),
            std::string::npos)
      << finished.output;
  EXPECT_TRUE(fs::exists(folder / "made/rate-25.mp4"));
}

}  // namespace
}  // namespace latentsync::test
