#include "tests/transcode/support.h"

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

/// Makes NAME in FOLDER with ffmpeg.
std::string make(const fs::path& folder, const std::string& name, const std::string& arguments) {
  const std::string file = folder / name;
  const Finished made = run_process("ffmpeg -nostdin -v error -y " + arguments + " " + file);
  EXPECT_EQ(made.status, 0) << made.output;
  return file;
}

/// Real speech, 16 kHz mono, and the same backwards: another mouth.
std::string forwards(const fs::path& folder) {
  return make(folder, "forwards.wav", "-i " + sample("grid_s1_sbwh7s.mp4") + " -vn -ar 16000");
}
std::string backwards(const fs::path& folder) {
  return make(folder, "backwards.wav",
              "-i " + sample("grid_s1_sbwh7s.mp4") + " -vn -ar 16000 -af areverse");
}

bool says(const Finished& finished, const std::string& words) {
  return finished.output.find(words) != std::string::npos;
}

/// The frames that the mouth of FILE as speech makes.
std::vector<std::string> frames_for(const std::string& file, const fs::path& folder) {
  const std::string output = folder / "wanted.mkv";
  EXPECT_EQ(transcode(media("rate-25.mp4") + " --audio " + file + " -o " + output).status, 0);
  return frame_hashes(output);
}

struct Offset {
  const char* milliseconds;
  const char* filter;  ///< ffmpeg's, of the same effect
};

void PrintTo(const Offset& offset, std::ostream* out) { *out << offset.milliseconds; }

class AudioOffset : public testing::TestWithParam<Offset> {};

/// The speech is heard later or earlier by the milliseconds that are asked for, to a sample, and
/// the mouth with it.
TEST_P(AudioOffset, MovesTheMouthAndTheSound) {
  const fs::path folder = empty_folder();
  const std::string speech = forwards(folder);
  const std::string moved =
      make(folder, "moved.wav", "-i " + speech + " -af " + std::string(GetParam().filter));
  const std::string output = folder / "out.mkv";
  const Finished finished =
      transcode(media("rate-25.mp4") + " --audio " + speech + " --audio-offset " +
                GetParam().milliseconds + " -o " + output);
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(sound_hash(output), sound_hash(moved, "atrim=end_sample=25600"));
  EXPECT_EQ(frame_hashes(output), frames_for(moved, folder));
  EXPECT_NE(frame_hashes(output), frames_for(speech, folder));
}

INSTANTIATE_TEST_SUITE_P(Speech, AudioOffset,
                         testing::Values(Offset{"240", "adelay=240"},
                                         Offset{"-240",
                                                "atrim=start_sample=3840,asetpts=PTS-STARTPTS"}),
                         [](const testing::TestParamInfo<Offset>& info) {
                           return info.param.milliseconds[0] == '-' ? "Earlier" : "Later";
                         });

/// With an offset a part is still that part of a full run: its sound and its frames.
TEST(Speech, OffsetOfAPart) {
  const fs::path folder = empty_folder();
  const std::string speech = forwards(folder);
  for (const char* offset : {"300", "-300"}) {
    const std::string common =
        media("rate-25.mp4") + " --audio " + speech + " --audio-offset " + offset;
    ASSERT_EQ(transcode(common + " -o " + (folder / "all.mkv").string()).status, 0);
    ASSERT_EQ(transcode(common + " --start 0.8 -o " + (folder / "part.mkv").string()).status, 0);
    EXPECT_EQ(sound_hash(folder / "part.mkv"),
              sound_hash(folder / "all.mkv", "atrim=start_sample=12800"))
        << offset;
    std::vector<std::string> all = frame_hashes(folder / "all.mkv");
    all.erase(all.begin(), all.begin() + 20);
    EXPECT_EQ(frame_hashes(folder / "part.mkv"), all) << offset;
  }
}

/// With hold the video lasts until the moved speech ends.
TEST(Speech, OffsetLengthensTheHold) {
  const std::string output = empty_folder() / "out.mkv";
  const Finished finished =
      transcode(media("no-audio.mp4") + " --audio " + media("speech-long.wav") +
                " --audio-offset 400 --video-end hold -o " + output);
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frame_times(output).size(), 85u);
}

/// What is heard may be another file than what drives the mouth.
TEST(Speech, SoundIsAnotherFile) {
  const fs::path folder = empty_folder();
  const std::string speech = forwards(folder);
  const std::string song = make(folder, "song.wav", "-f lavfi -i sine=d=3:r=44100 -ac 2");
  const std::string output = folder / "out.mkv";
  const Finished finished =
      transcode(media("rate-25.mp4") + " --audio " + speech + " --sound " + song + " -o " + output);
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(sound_hash(output), sound_hash(song, "atrim=end_sample=70560"));
  EXPECT_EQ(frame_hashes(output), frames_for(speech, folder));
}

/// The input's own speech may drive the mouth while another sound is heard; a sound that is no
/// file is told.
TEST(Speech, SoundBesideTheInputsOwnSpeech) {
  const fs::path folder = empty_folder();
  const std::string song = make(folder, "song.wav", "-f lavfi -i sine=d=3:r=44100");
  const std::string output = folder / "out.mkv";
  ASSERT_EQ(transcode(media("rate-25.mp4") + " --sound " + song + " -o " + output).status, 0);
  EXPECT_EQ(sound_hash(output), sound_hash(song, "atrim=end_sample=70560"));
  EXPECT_EQ(frame_hashes(output), frames_for(media("rate-25.mp4"), folder));
  const Finished refused = transcode(media("rate-25.mp4") + " --sound /nowhere/s.wav -o " + output);
  EXPECT_EQ(refused.status, 3);
  EXPECT_TRUE(says(refused, "/nowhere/s.wav: no such file")) << refused.output;
}

/// With hold the video lasts as long as the longer of speech and sound.
TEST(Speech, HoldLastsForSpeechAndSound) {
  const fs::path folder = empty_folder();
  const std::string speech = make(folder, "speech.wav", "-t 1.2 -i " + forwards(folder));
  const std::string song = make(folder, "song.wav", "-f lavfi -i sine=d=2:r=44100");
  for (const auto& [audio, sound] : {std::pair{speech, song}, {song, speech}}) {
    const std::string output = folder / "out.mkv";
    ASSERT_EQ(transcode(media("no-audio.mp4") + " --audio " + audio + " --sound " + sound +
                        " --video-end hold -o " + output)
                  .status,
              0);
    EXPECT_EQ(frame_times(output).size(), 50u);
  }
}

class AudioTracks : public testing::TestWithParam<const char*> {};

/// The track that is asked for, by number or language, drives the mouth and is heard; which one it
/// was is said where there was a choice.
TEST_P(AudioTracks, AreChosen) {
  const fs::path folder = empty_folder();
  const std::string first = forwards(folder);
  const std::string second = backwards(folder);
  const std::string codec = std::string(GetParam()) == "mkv" ? "flac" : "aac";
  const std::string input =
      make(folder, std::string("in.") + GetParam(),
           "-i " + media("rate-25.mp4") + " -i " + first + " -i " + second +
               " -map 0:v -map 1:a -map 2:a -c:v copy -metadata:s:a:0 language=eng "
               "-metadata:s:a:1 language=fra -ar 48000 -c:a " +
               codec);
  const std::string output = folder / "out.mkv";
  std::vector<std::vector<std::string>> frames;
  for (const char* asked : {"", "--audio-track 1", "--audio-track en", "--audio-track 2",
                            "--audio-track fr", "--audio-track fra", "--audio-track French"}) {
    const Finished finished = transcode(input + " " + asked + " -o " + output);
    ASSERT_EQ(finished.status, 0) << finished.output;
    const bool is_second = frames.size() >= 3;
    EXPECT_TRUE(says(finished, is_second ? "audio track 2 of 2 (French) of "
                                         : "audio track 1 of 2 (English) of "))
        << finished.output;
    frames.push_back(frame_hashes(output));
    EXPECT_EQ(frames.back(), frames[is_second ? 3 : 0]) << asked;
    if (codec == "flac") {
      EXPECT_EQ(sound_hash(output),
                sound_hash(is_second ? second : first, "aresample=48000,atrim=end_sample=76800"))
          << asked;
    }
  }
  EXPECT_NE(frames[0], frames[3]);
}

INSTANTIATE_TEST_SUITE_P(Speech, AudioTracks, testing::Values("mkv", "mp4", "ts"),
                         [](const testing::TestParamInfo<const char*>& info) {
                           return std::string(info.param);
                         });

/// A track that there is not is refused with those that there are; a file of one track is not
/// spoken of.
TEST(Speech, TrackThatIsNotThere) {
  const fs::path folder = empty_folder();
  const std::string input =
      make(folder, "in.mkv",
           "-i " + media("rate-25.mp4") +
               " -map 0:v -map 0:a -map 0:a -c copy -metadata:s:a:0 language=eng -metadata:s:a:1 "
               "language=und");
  const std::string output = folder / "out.mkv";
  for (const char* asked : {"3", "de", "0"}) {
    const Finished finished = transcode(input + " --audio-track " + asked + " -o " + output);
    EXPECT_EQ(finished.status, 3) << finished.output;
    EXPECT_TRUE(says(finished, "there is no audio track " + std::string(asked) +
                                   "; there are 1 (English) and 2"))
        << finished.output;
  }
  const Finished one = transcode(media("rate-25.mp4") + " --audio-track 1 -o " + output);
  EXPECT_EQ(one.status, 0) << one.output;
  EXPECT_FALSE(says(one, "audio track")) << one.output;
}

/// Explicit sound from the same file is its first track, whichever the mouth follows.
TEST(Speech, MouthAndSoundOfTwoTracks) {
  const fs::path folder = empty_folder();
  const std::string first = forwards(folder);
  const std::string second = backwards(folder);
  const std::string input = make(folder, "in.mkv",
                                 "-i " + media("rate-25.mp4") + " -i " + first + " -i " + second +
                                     " -map 0:v -map 1:a -map 2:a -c:v copy -c:a flac");
  const std::string output = folder / "out.mkv";
  ASSERT_EQ(transcode(input + " --audio-track 2 --sound " + input + " -o " + output).status, 0);
  EXPECT_EQ(sound_hash(output), sound_hash(first, "atrim=end_sample=25600"));
  EXPECT_EQ(frame_hashes(output), frames_for(second, folder));
}

/// One channel drives the mouth, all are heard; a channel that there is not is refused.
TEST(Speech, Channel) {
  const fs::path folder = empty_folder();
  const std::string first = forwards(folder);
  const std::string second = backwards(folder);
  const std::string both = make(folder, "both.wav",
                                "-i " + first + " -i " + second +
                                    " -filter_complex '[0:a][1:a]amerge=inputs=2[a]' -map '[a]'");
  const std::string output = folder / "out.mkv";
  const std::string common = media("rate-25.mp4") + " --audio " + both + " -o " + output;
  for (const auto& [channel, alone] : {std::pair{"1", first}, {"2", second}}) {
    const Finished finished = transcode(common + " --audio-channel " + channel);
    ASSERT_EQ(finished.status, 0) << finished.output;
    EXPECT_TRUE(says(finished, std::string("the mouth follows channel ") + channel + " of 2 of "))
        << finished.output;
    EXPECT_EQ(frame_hashes(output), frames_for(alone, folder)) << channel;
    EXPECT_EQ(probe(output, "a", "channels"), "2");
  }
  const Finished refused = transcode(common + " --audio-channel 3");
  EXPECT_EQ(refused.status, 3);
  EXPECT_TRUE(says(refused, "there is no channel 3; its audio has 2")) << refused.output;
}

/// --clean-audio changes what the mouth does, and nothing of what is heard; noise moves the mouth
/// less than without it, and quiet speech becomes as loud as the other.
TEST(Speech, CleanAudioDrivesTheMouthOnly) {
  const fs::path folder = empty_folder();
  const std::string speech = forwards(folder);
  const std::string quiet =
      make(folder, "quiet.wav", "-i " + speech + " -af volume=-24dB -c:a pcm_f32le");
  const std::string output = folder / "out.mkv";
  const auto clean = [&](const std::string& audio) {
    const Finished finished =
        transcode(media("rate-25.mp4") + " --audio " + audio + " --clean-audio -o " + output);
    EXPECT_EQ(finished.status, 0) << finished.output;
    EXPECT_TRUE(says(finished, "the speech is cleaned and made ")) << finished.output;
    const double gain = std::stod(finished.output.substr(finished.output.find(" and made ") + 10));
    return says(finished, " dB quieter") ? -gain : gain;
  };
  const double loud_gain = clean(speech);
  EXPECT_EQ(sound_hash(output), sound_hash(speech, "atrim=end_sample=25600"));
  EXPECT_NE(frame_hashes(output), frames_for(speech, folder));
  const double quiet_gain = clean(quiet);
  EXPECT_NEAR(quiet_gain - loud_gain, 24, 0.5);
}

/// Silence, 8 kHz and a part of a clip can be cleaned.
TEST(Speech, CleanAudioOfOddSpeech) {
  const fs::path folder = empty_folder();
  const std::string output = folder / "out.mkv";
  const std::string silence = make(folder, "silence.wav", "-f lavfi -i anullsrc=r=44100 -t 2");
  const std::string narrow = make(folder, "narrow.wav", "-i " + forwards(folder) + " -ar 8000");
  for (const std::string& audio : {silence, narrow}) {
    const Finished finished = transcode(media("rate-25.mp4") + " --audio " + audio +
                                        " --clean-audio --start 0.8 -o " + output);
    EXPECT_EQ(finished.status, 0) << finished.output;
    EXPECT_EQ(frame_times(output).size(), 20u);
  }
}

}  // namespace
}  // namespace latentsync::test
