#include "core/error.h"
#include "examples/train/options.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace latentsync::train {
namespace {

Options parsed(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "latentsync-train");
  std::vector<char*> pointers;
  for (auto& argument : arguments) pointers.push_back(argument.data());
  return parse_options(static_cast<int>(pointers.size()), pointers.data());
}

TEST(TrainOptions, ValuesReachTheirPlaces) {
  const auto options =
      parsed({"--data", "set", "--preset", "h200", "--minutes", "25", "--session-minutes", "9",
              "--slots", "64", "--name", "mine", "--device", "cuda", "--audio-share", "0"});
  EXPECT_EQ(options.data, "set");
  EXPECT_EQ(options.preset.shape.edge, 256);
  EXPECT_EQ(options.preset.pool_slots, 64);
  EXPECT_EQ(options.minutes, 25);
  EXPECT_EQ(options.session_minutes, 9);
  EXPECT_EQ(options.name, "mine");
  EXPECT_EQ(options.unet_type, c10::kBFloat16);
  // What the audio encoder does not get, the UNet does.
  EXPECT_DOUBLE_EQ(options.shares.unet, Shares{}.unet + Shares{}.audio);
  EXPECT_EQ(parsed({"--data", "set"}).preset.shape.edge, 256);
}

// What one preset's model has for an audio encoder the other's takes: --encoder models/demo.
TEST(TrainOptions, PresetsHaveOneShape) {
  const auto small = parsed({"--data", "set"}).preset;
  const auto large = parsed({"--data", "set", "--preset", "h200"}).preset;
  EXPECT_EQ(large.shape.unet.block_out_channels, small.shape.unet.block_out_channels);
  EXPECT_EQ(large.shape.unet.cross_attention_dim, small.shape.unet.cross_attention_dim);
  EXPECT_EQ(large.shape.whisper.n_audio_layer, small.shape.whisper.n_audio_layer);
  EXPECT_GT(large.unet.frames, small.unet.frames);
  EXPECT_GT(large.counts.fresh_frames, small.counts.fresh_frames);
}

// An audio encoder that is taken as it is leaves its time to the UNet.
TEST(TrainOptions, AGivenEncoderNeedsNoTime) {
  const auto options = parsed({"--data", "set", "--encoder", "models/demo", "--guided-from", "0.5",
                               "--guided-until", "0.8", "--lips-guidance", "0.9"});
  EXPECT_EQ(options.encoder, "models/demo");
  EXPECT_EQ(options.shares.guided_from, 0.5);
  EXPECT_EQ(options.shares.guided_until, 0.8);
  EXPECT_EQ(options.preset.unet.lips_guidance, 0.9);
  EXPECT_EQ(options.shares.audio, 0);
  EXPECT_DOUBLE_EQ(options.shares.unet, Shares{}.unet + Shares{}.audio);
}

// Each part of a run begins, and ends, where its option says.
TEST(TrainOptions, StepsAreAsTheOptionsSay) {
  const auto shares =
      parsed({"--data", "set", "--critic-from", "0.2", "--guided-from", "0.4", "--guided-until",
              "0.6", "--quiet-from", "0.7", "--windows-from", "0.9"})
          .shares;
  const struct {
    double progress;
    bool criticised, guided, quiet, windows;
  } kExpected[] = {
      {0, false, false, false, false},  {0.19, false, false, false, false},
      {0.2, true, false, false, false}, {0.4, true, true, false, false},
      {0.6, true, false, false, false}, {0.7, true, false, true, false},
      {0.9, true, false, true, true},   {1, true, false, true, true},
  };
  for (const auto& expected : kExpected) {
    const auto step = shares.step_at(expected.progress);
    EXPECT_EQ(step.criticised, expected.criticised) << expected.progress;
    EXPECT_EQ(step.guided, expected.guided) << expected.progress;
    EXPECT_EQ(step.quiet, expected.quiet) << expected.progress;
    EXPECT_EQ(step.windows, expected.windows) << expected.progress;
  }
}

// What is wrong is named, and what would be right.
TEST(TrainOptions, WrongOnesAreRefused) {
  const struct {
    std::vector<std::string> arguments;
    const char* says;
  } kCases[] = {
      {{}, "--data is missing"},
      {{"--data"}, "lacks its value"},
      {{"--data", "set", "--guided", "1"}, "there is no option --guided"},
      {{"--data", "set", "--lips-guidance", "0"}, "--lips-guidance takes a number from 0.1 to 3"},
      {{"--data", "set", "--preset", "cpu"}, "cpu-small or h200, not \"cpu\""},
      {{"--data", "set", "--audio-share", "0.9"}, "from 0 to 0.8, not \"0.9\""},
      {{"--data", "set", "--encoder", "m", "--audio-share", "0.1"},
       "leaves nothing to --audio-share"},
      {{"--data", "set", "--minutes", "ten"}, "--minutes takes a number"},
      {{"--data", "set", "--minutes", "nan"}, "--minutes takes a number"},
      {{"--data", "set", "--steps", "10", "--minutes", "3"}, "--steps or --minutes, not both"},
      {{"--data", "set", "--guided-until", "0.5"}, "after --guided-from"},
      {{"--data", "set", "--guided-from", "0.8", "--guided-until", "0.5"}, "after --guided-from"},
      {{"--data", "set", "--threads", "1.5"}, "--threads takes a whole number"},
      {{"--data", "set", "--slots", "4"}, "from 8 to"},
      {{"--data", "set", "--unet-type", "half"}, "float32 or bfloat16"},
      {{"--data", "set", "--device", "auto"}, "cpu, cuda or cuda:N, not \"auto\""},
  };
  for (const auto& [arguments, says] : kCases) {
    try {
      parsed(arguments);
      FAIL() << "accepted: " << says;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace latentsync::train
