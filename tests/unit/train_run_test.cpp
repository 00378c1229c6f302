#include "core/error.h"
#include "core/model/tensor_file.h"
#include "core/nn/prepare.h"
#include "examples/train/audio_store.h"
#include "examples/train/latent_pool.h"
#include "examples/train/model_files.h"
#include "examples/train/mouth_reader.h"
#include "examples/train/optimiser.h"
#include "examples/train/run.h"
#include "examples/train/storage.h"
#include "examples/train/unet_training.h"
#include "tests/support/compare.h"
#include "tests/support/models_dir.h"
#include "tests/support/temporary_folder.h"

#include <cmath>
#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <gtest/gtest.h>

namespace latentsync::train {
namespace {

constexpr int64_t kEdge = 64, kMargin = 4, kSide = kEdge + 2 * kMargin, kFrames = 40;

// A speaker's clip of noise, as `prepare.py unpack` writes them.
void write_clip(const std::filesystem::path& folder, const std::string& name) {
  write_safetensors(folder / (name + ".safetensors"),
                    {{"crops", at::randint(0, 256, {kFrames, kSide, kSide, 3}).to(at::kByte)},
                     {"lips", at::rand({kFrames, 6, 2}) * static_cast<double>(kSide)},
                     {"mouth", at::randn({kFrames, Clip::kMouthValues})},
                     {"sound", at::randn({kFrames * 640}) * 0.1}});
}

Options small_run(const test::TemporaryFolder& folder) {
  at::manual_seed(1);
  write_clip(folder / "set", "one");
  write_clip(folder / "set", "two");
  write_clip(folder / "set", "left-out");
  write_clip(folder / "set", "driver");
  write_text(folder / "set/manifest.json", R"({"edge": 64, "margin": 4, "clips": [
    {"name": "one", "speaker": "a", "part": "train"}, {"name": "two", "speaker": "b", "part": "train"},
    {"name": "left-out", "speaker": "c", "part": "validation"},
    {"name": "driver", "speaker": "a", "part": "driver"}]})");
  Options options;
  options.data = folder / "set";
  options.out = folder / "out";
  options.taesd = test::models_dir() / "taesd";
  auto& shape = options.preset.shape;
  shape.edge = kEdge;
  shape.unet.block_out_channels = {32, 32, 32, 32};
  shape.unet.layers_per_block = 1;
  shape.unet.attention_heads = shape.unet.motion_heads = 2;
  shape.unet.cross_attention_dim = 32;
  shape.unet.motion_down_blocks = {false, false, false, false};
  shape.whisper = {.n_audio_state = 32, .n_audio_head = 4, .n_audio_layer = 2};
  options.preset.audio.windows = 1;
  options.preset.pool_slots = 8;
  options.minutes = 60;
  return options;
}

int64_t checkpoint_steps(const std::filesystem::path& path) {
  return steps_of(model::open_tensor_file(path).tensors, path.string());
}

// The same command goes on from where a session ended; a run that is over is left alone.
TEST(TrainRun, ASecondSessionGoesOn) {
  const test::TemporaryFolder folder;
  auto options = small_run(folder);
  options.session_minutes = 0.03;
  const auto state = folder / "out" / "state";
  const auto steps_in = [&](const model::TensorFile& file) {
    return steps_of(file.tensors, "the checkpoint");
  };
  const auto after_sessions_of_more_than = [&](int64_t steps) {
    model::TensorFile file;
    for (int session = 0; session < 30; ++session) {  // a slow machine's first ones have no step
      EXPECT_FALSE(run(options));
      file = model::open_tensor_file(state / "audio.safetensors");
      if (steps_in(file) > steps) break;
    }
    return file;
  };
  const auto first = after_sessions_of_more_than(0);
  // One that has no time for a step leaves all as it was.
  options.session_minutes = 1e-6;
  EXPECT_FALSE(run(options));
  const auto unchanged = model::open_tensor_file(state / "audio.safetensors");
  EXPECT_EQ(steps_in(unchanged), steps_in(first));
  EXPECT_EQ(unchanged.metadata.at("spent"), first.metadata.at("spent"));
  options.session_minutes = 0.03;
  const auto second = after_sessions_of_more_than(steps_in(first));
  EXPECT_GT(steps_in(first), 0);
  EXPECT_GT(steps_in(second), steps_in(first));
  EXPECT_GT(std::stod(second.metadata.at("spent")), std::stod(first.metadata.at("spent")));
  EXPECT_FALSE(std::filesystem::exists(state / "finished"));

  write_text(state / "finished", "");
  EXPECT_TRUE(run(options));
  EXPECT_EQ(steps_in(model::open_tensor_file(state / "audio.safetensors")), steps_in(second));
}

// Another model's audio encoder, of another shape than the preset's, is the model's in the end.
TEST(TrainRun, AGivenEncoderIsTakenAsItIs) {
  const test::TemporaryFolder folder;
  auto options = small_run(folder);
  auto shape = options.preset.shape;
  shape.whisper.n_audio_layer = 1;
  nn::UNet3D unet(shape.unet);
  audio::WhisperEncoder encoder(shape.whisper);
  nn::initialise_parameters(encoder, 7);
  model::TensorMap weights;
  for (const auto& item : encoder.named_parameters()) weights[item.key()] = item.value();
  write_model(folder / "given", shape, {}, unet, weights, encoder, options.taesd);
  // Of all else nothing is wanted.
  std::filesystem::remove(folder / "given/latentsync_unet.safetensors");
  std::filesystem::remove_all(folder / "given/vae");

  options.encoder = folder / "given";
  options.shares.audio = 0;
  options.minutes = 0.01;
  ASSERT_TRUE(run(options));
  const auto path = [](const std::filesystem::path& model) {
    return model / "whisper" / "tiny.safetensors";
  };
  const auto given = model::open_tensor_file(path(folder / "given")).tensors;
  const auto made = model::open_tensor_file(path(folder / "out/model")).tensors;
  ASSERT_EQ(made.size(), given.size());
  for (const auto& [name, tensor] : given) EXPECT_TRUE(made.at(name).equal(tensor)) << name;
  EXPECT_EQ(read_encoder_shape(folder / "out/model"), shape.whisper);

  options.out = folder / "other";
  options.preset.shape.unet.cross_attention_dim = 64;
  try {
    run(options);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("is 32 wide, the UNet takes 64"), std::string::npos)
        << error.what();
  }
}

// Where steps are counted, the same command makes the same model, however long each step takes, and
// another seed makes another one.
TEST(TrainRun, CountedStepsAreTheSameAgain) {
  const test::TemporaryFolder folder;
  auto options = small_run(folder);
  options.steps = 8;
  options.preset.counts.audio = options.preset.counts.reader = 0.4;
  options.preset.unet.frames = 4;
  options.preset.unet.windows = 1;
  options.shares.windows_from = 0.6;
  const auto weights = [&](const char* name, int64_t seed) {
    options.out = folder / name;
    options.seed = seed;
    EXPECT_TRUE(run(options));
    const auto unet = checkpoint_steps(folder / name / "state/unet.safetensors");
    EXPECT_EQ(unet, 5 + 1) << "of single frames, then one of windows that counts for four";
    return model::open_tensor_file(folder / name / "model/latentsync_unet.safetensors").tensors;
  };
  const auto first = weights("first", 1), again = weights("again", 1), other = weights("other", 2);
  ASSERT_EQ(first.size(), again.size());
  for (const auto& [name, tensor] : first) EXPECT_TRUE(again.at(name).equal(tensor)) << name;
  EXPECT_FALSE(other.at("conv_in.weight").equal(first.at("conv_in.weight")));
}

// A small UNet and all that it is trained with.
struct Studio {
  explicit Studio(double guidance, double quiet = 0, double lips_guidance = 0.75)
      : options(small_run(folder)),
        dataset(read_dataset(options.data)),
        coder(options.taesd, kEdge, at::kCPU),
        pool(dataset, coder, 4, at::kCPU),
        encoder(options.preset.shape.whisper),
        reader(std::make_shared<MouthReader>(kEdge / 8)),
        unet(std::make_shared<nn::UNet3D>(options.preset.shape.unet)) {
    nn::initialise_parameters(encoder, 1);
    initialise_unet(*unet, 2, first_alpha(options.preset.shape.inference_steps));
    nn::initialise_parameters(*reader, 3);
    for (int piece = 0; piece < 4; ++piece) {
      pool.refresh(piece < 2 ? Choice::kSpread : Choice::kRuns, random);
    }
    audio.emplace(dataset, encoder, 1, random);
    const UNetTrainingOptions how{.frames = 3,
                                  .windows = 1,
                                  .quiet = quiet,
                                  .guidance = guidance,
                                  .lips_guidance = lips_guidance};
    training.emplace(unet, pool, *audio, reader, coder, how, 4);
  }
  UNetLoss step(bool windows, bool guided, bool quiet = false) {
    return training->step({.learning_rate = 1e-3,
                           .windows = windows,
                           .criticised = true,
                           .guided = guided,
                           .quiet = quiet},
                          random);
  }

  test::TemporaryFolder folder;
  Options options;
  Random random{1};
  Dataset dataset;
  ImageCoder coder;
  LatentPool pool;
  audio::WhisperEncoder encoder;
  std::shared_ptr<MouthReader> reader;
  std::shared_ptr<nn::UNet3D> unet;
  std::optional<AudioStore> audio;
  std::optional<UNetTraining> training;
};

// Single frames, then windows, with the critic from the first step on, with and without guidance:
// every term of the loss is there, and the network learns from it.
TEST(TrainSteps, EveryTermCounts) {
  Studio studio(1.5);
  constexpr int kSingle = 60;  // the critic is heard after fifty
  std::vector<double> noise;
  for (int step = 0; step < kSingle + 3; ++step) {
    const bool windows = step >= kSingle;
    const auto loss = studio.step(windows, /*guided=*/step % 2 == 1);
    for (const double term : {loss.noise, loss.detail, loss.sync}) {
      EXPECT_TRUE(std::isfinite(term) && term > 0) << "step " << step;
    }
    EXPECT_EQ(loss.temporal > 0, windows);
    EXPECT_TRUE(loss.critic >= 0 && loss.critic < 20) << loss.critic;
    noise.push_back(loss.noise);
  }
  const auto mean = [&](int64_t begin, int64_t end) {
    return std::accumulate(noise.begin() + begin, noise.begin() + end, 0.0) /
           static_cast<double>(end - begin);
  };
  EXPECT_LT(mean(kSingle - 20, kSingle), mean(0, 20));
}

// An entry has its own sound, and a reference from elsewhere; one of silence has the mouth that is
// open least, which stands still in windows.
TEST(TrainSteps, SilenceHasAClosedMouth) {
  Studio studio(1.5);
  const auto& pool = studio.pool;
  for (int draw = 0; draw < 60; ++draw) {
    const bool windows = draw % 2 == 0, silent = draw % 3 == 0;
    const auto entry = draw_entry(pool, *studio.audio, windows, silent ? 1 : 0, studio.random);
    const auto& slot = pool.slot(entry.slot);
    const size_t run = windows ? LatentPool::kRun : 1;
    ASSERT_EQ(entry.frames.size(), run);
    ASSERT_EQ(entry.references.size(), run);
    ASSERT_EQ(entry.sound_frames.size(), run);
    const auto opening = [&](int64_t frame) {
      return slot.clip->mouth[slot.frames[static_cast<size_t>(frame)]][0].item<double>();
    };
    for (size_t i = 0; i < run; ++i) {
      EXPECT_LT(entry.references[i], static_cast<int64_t>(slot.frames.size()));
      if (silent) {
        EXPECT_EQ(entry.frames[i], entry.frames[0]);
        for (size_t other = 0; other < slot.frames.size(); ++other) {
          EXPECT_LE(opening(entry.frames[0]), opening(static_cast<int64_t>(other)));
        }
        EXPECT_LT(entry.sound_frames[i], AudioStore::kQuietFrames);
      } else {
        EXPECT_EQ(slot.frames[static_cast<size_t>(entry.frames[i])], entry.sound_frames[i]);
      }
      EXPECT_NE(entry.references[i], entry.frames[i]);
    }
    EXPECT_EQ(entry.sound != slot.clip, silent);
  }
}

// As in footage that is edited, what is around a silent entry's mouth is its reference's, in the
// masked image as in what is wanted; with sound both are of the mouth's own frame.
TEST(TrainSteps, SilenceHasItsReferenceAroundTheMouth) {
  for (const double quiet : {0.0, 1.0}) {
    for (const bool windows : {false, true}) {
      SCOPED_TRACE(std::to_string(quiet) + (windows ? ", windows" : ""));
      Studio studio(1.5, quiet);
      Random again = studio.random;
      const auto batch =
          studio.training->draw(1, {.windows = windows, .quiet = true}, studio.random);
      const auto entry = draw_entry(studio.pool, *studio.audio, windows, quiet, again);
      EXPECT_EQ(entry.surroundings, quiet > 0 ? entry.references : entry.frames);
      const std::vector<int64_t> slots(entry.frames.size(), entry.slot);
      const auto target = studio.pool.take(slots, entry.frames);
      const auto around = studio.pool.take(slots, entry.surroundings);
      EXPECT_TRUE(batch.reference.equal(studio.pool.take(slots, entry.references).plain));
      EXPECT_TRUE(batch.masked.equal(around.masked));
      const auto outside = (studio.coder.latent_mask() > 0.5).expand_as(batch.wanted);
      EXPECT_TRUE(batch.wanted.index({outside}).equal(around.wanted.index({outside})));
      const auto inside = outside.logical_not();
      EXPECT_TRUE(batch.wanted.index({inside}).equal(target.wanted.index({inside})));
    }
  }
}

// Entries have silence in the steps that ask for it, and in no others.
TEST(TrainSteps, SilenceIsHeardWhereItIsAskedFor) {
  const auto noise_of = [](double share, bool quiet) {
    Studio studio(1.5, share);
    nn::initialise_parameters(*studio.unet, 5);  // the sound matters at once
    return studio.step(false, false, quiet).noise;
  };
  const double without = noise_of(0, true);
  EXPECT_EQ(noise_of(1, false), without);
  EXPECT_GT(std::abs(noise_of(1, true) - without), 1e-4);
}

// What guidance makes is judged where that is asked for: by the critic as it is, by every term with
// another guidance at the lips. Else it does not matter how much guidance there is, and where there
// is none to sample with, lips have none, either.
TEST(TrainSteps, WhatGuidanceMakesIsJudged) {
  struct Given {
    double guidance, lips_guidance;
    bool guided;
    bool terms_differ, critic_differs;  // from what is judged without guidance
  };
  const auto first_loss = [](const Given& given) {
    Studio studio(given.guidance, 0, given.lips_guidance);
    nn::initialise_parameters(*studio.unet, 5);  // the sound matters at once
    return studio.step(false, given.guided);
  };
  const auto without = first_loss({1, 1, false, false, false});
  const auto check = [](double value, double plain, bool differs) {
    if (differs) {
      EXPECT_GT(std::abs(value - plain), 0.01);
    } else {
      EXPECT_NEAR(value, plain, 1e-3);
    }
  };
  for (const Given& given :
       {Given{1e3, 1e3, false, false, false}, Given{1, 1e3, true, false, false},
        Given{1e3, 1e3, true, true, true}, Given{1.001, 1e3, true, true, false},
        Given{1e3, 1, true, true, true}}) {
    SCOPED_TRACE(std::to_string(given.guidance) + ", " + std::to_string(given.lips_guidance));
    const auto loss = first_loss(given);
    check(loss.noise, without.noise, given.terms_differ);
    check(loss.detail, without.detail, given.terms_differ);
    check(loss.sync, without.sync, given.terms_differ);
    check(loss.critic, without.critic, given.critic_differs);
  }
}

// At the lips guidance leads to what it led to, elsewhere to what is predicted with the sound.
TEST(TrainSteps, WhatIsKeptToTheLipsIsThereWithGuidance) {
  constexpr double kGuidance = 1.5;
  const auto silent = at::randn({1, 4, 2, 2}), heard = at::randn({1, 4, 2, 2});
  const auto lips = at::tensor({0.F, 1.F, 0.F, 1.F}).view({1, 1, 2, 2});
  const auto guided = [&](const at::Tensor& x) { return silent + kGuidance * (x - silent); };
  const auto made = guided(kept_to_lips(silent, heard, lips, kGuidance));
  EXPECT_TRUE(test::close(made, at::where(lips > 0.5, guided(heard), heard), {.max_abs = 1e-5}));
}

// What guidance adds is taught to stay at the lips: where there is none, there is nothing to learn.
// What there is to learn elsewhere is (guidance - 1) / guidance of what the sound changes, and less
// towards the lips: so are the first step's errors. Nothing else counts.
TEST(TrainSteps, GuidanceIsKeptToTheLips) {
  const auto first_loss = [](double guidance) {
    Studio studio(guidance);
    nn::initialise_parameters(*studio.unet, 5);  // the sound matters at once
    model::TensorMap weights;
    for (const auto& item : studio.unet->named_parameters()) {
      weights[item.key()] = item.value().detach().clone();
    }
    EXPECT_FALSE(studio.training->settles());
    studio.training->settle(weights);
    EXPECT_TRUE(studio.training->settles());
    const auto step = [&](bool windows) {
      return studio.training->step({.learning_rate = 1e-3,
                                    .windows = windows,
                                    .criticised = true,
                                    .guided = true,
                                    .settled = true},
                                   studio.random);
    };
    const auto loss = step(false);
    EXPECT_EQ(loss.detail + loss.sync + loss.temporal + loss.critic, 0);
    EXPECT_GT(step(true).noise, 0) << "of what has changed since";
    return loss.noise;
  };
  EXPECT_LT(first_loss(1), 1e-10);
  const double little = first_loss(1.5), much = first_loss(3);
  EXPECT_GT(little, 1e-6);
  EXPECT_NEAR(much / little, 4, 0.01);
}

// A session that goes on learns from the same weights as the one before.
TEST(TrainRun, WhatIsLearntFromIsKept) {
  const test::TemporaryFolder folder;
  auto options = small_run(folder);
  options.steps = 4;
  options.preset.unet.frames = 2;
  options.shares.audio = 0;
  options.shares.settle_from = 0.5;
  ASSERT_TRUE(run(options));
  const auto path = options.out / "state/settled.safetensors";
  const auto kept = model::open_tensor_file(path).tensors;
  const auto made =
      model::open_tensor_file(options.out / "model/latentsync_unet.safetensors").tensors;
  EXPECT_FALSE(made.at("conv_in.weight").equal(kept.at("conv_in.weight").to(at::kHalf)));
  const auto written = std::filesystem::last_write_time(path);
  std::filesystem::remove(options.out / "state/finished");
  options.steps = 6;
  ASSERT_TRUE(run(options));
  EXPECT_EQ(std::filesystem::last_write_time(path), written);
}

// What cannot work is refused before anything is trained.
TEST(TrainRun, WhatCannotWorkIsRefusedAtOnce) {
  const test::TemporaryFolder folder;
  const auto good = small_run(folder);
  const auto refused = [&](const Options& options) -> std::string {
    try {
      run(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  auto options = good;
  options.device = "gpu";
  EXPECT_NE(refused(options).find("\"gpu\""), std::string::npos);
  options = good;
  options.taesd = folder / "nowhere";
  EXPECT_NE(refused(options).find("taesd_encoder.safetensors"), std::string::npos);
  options = good;
  options.preset.shape.edge = 128;
  EXPECT_NE(refused(options).find("--edge 128"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder / "out" / "state"));
}

}  // namespace
}  // namespace latentsync::train
