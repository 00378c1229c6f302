#include "core/diffusion/denoiser.h"

#include "core/diffusion/noise.h"
#include "core/error.h"
#include "tests/support/compare.h"

#include <cmath>
#include <functional>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

namespace latentsync::diffusion {
namespace {

constexpr int64_t kFrames = 3, kChannels = 4, kHeight = 6, kWidth = 5, kTokens = 7, kFeatures = 2;

// Predicts a mix of the latents, the sum of the condition channels and each half's audio, so that
// the guided result can be computed by hand; and writes down what it was asked.
class FakePredictor : public NoisePredictor {
 public:
  struct Call {
    at::Tensor sample, audio;
    int64_t timestep;
    nn::CacheUse use;
    nn::FeatureCache* cache;
    bool cache_filled;
  };

  nn::RunConstants prepare(at::IntArrayRef timesteps, const at::Tensor& audio,
                           int64_t batch) override {
    prepared.push_back(batch);
    return {.timesteps = timesteps.vec(), .audio = audio};
  }

  at::Tensor predict(const at::Tensor& sample, const nn::RunConstants& constants, int64_t step,
                     bool conditioned, nn::CacheUse use, nn::FeatureCache& cache) override {
    auto audio = at::zeros_like(constants.audio).repeat({sample.size(0), 1, 1});
    if (conditioned) audio.slice(0, audio.size(0) - sample.size(2)).copy_(constants.audio);
    const auto timestep = constants.timesteps.at(static_cast<size_t>(step));
    calls.push_back({sample.clone(), audio.clone(), timestep, use, &cache, cache.hidden.defined()});
    if (use == nn::CacheUse::kStore) cache.hidden = sample.clone();
    return mix(sample, audio, timestep);
  }

  static at::Tensor mix(const at::Tensor& sample, const at::Tensor& audio, int64_t timestep) {
    const auto batch = sample.size(0);
    const auto loudness = audio.reshape({batch, sample.size(2), -1}).sum(-1);  // [B, F]
    return sample.narrow(1, 0, kChannels) * 0.5 +
           sample.narrow(1, kChannels, sample.size(1) - kChannels).sum(1, true) * 0.1 +
           loudness.reshape({batch, 1, sample.size(2), 1, 1}) * (0.01 + 1e-4 * timestep);
  }

  std::vector<Call> calls;
  std::vector<int64_t> prepared;  // batch of each prepare()
};

at::Tensor random(at::IntArrayRef shape, uint64_t seed) {
  return at::rand(shape, make_generator(seed), at::TensorOptions(at::kFloat)) - 0.5;
}

Conditioning conditioning() {
  return {.mask = (random({1, 1, kFrames, kHeight, kWidth}, 1) > 0).to(at::kFloat),
          .masked_latents = random({1, kChannels, kFrames, kHeight, kWidth}, 2),
          .reference_latents = random({1, kChannels, kFrames, kHeight, kWidth}, 3),
          .audio_embeddings = random({kFrames, kTokens, kFeatures}, 4)};
}

at::Tensor one_frame_of_noise() {
  return initial_noise(make_generator(5), kChannels, kHeight, kWidth);
}

// The loop as the papers write it, in double precision.
at::Tensor by_hand(const Conditioning& given, const DdimScheduler& scheduler, double guidance) {
  const auto wide = [](const at::Tensor& t) { return t.to(at::kDouble); };
  const auto audio = wide(given.audio_embeddings);
  auto latents = wide(one_frame_of_noise()).repeat({1, 1, kFrames, 1, 1});
  for (int64_t i = 0; i < scheduler.steps(); ++i) {
    const auto timestep = scheduler.timesteps()[i];
    const auto sample = at::cat(
        {latents, wide(given.mask), wide(given.masked_latents), wide(given.reference_latents)}, 1);
    auto noise = FakePredictor::mix(sample, audio, timestep);
    if (guidance > 1) {
      const auto null = FakePredictor::mix(sample, at::zeros_like(audio), timestep);
      noise = null + guidance * (noise - null);
    }
    const double now = scheduler.alphas_cumprod()[timestep].item<double>();
    const double next =
        i + 1 < scheduler.steps()
            ? scheduler.alphas_cumprod()[scheduler.timesteps()[i + 1]].item<double>()
            : scheduler.final_alpha_cumprod();
    const auto original = (latents - std::sqrt(1 - now) * noise) / std::sqrt(now);
    latents = std::sqrt(next) * original + std::sqrt(1 - next) * noise;
  }
  return latents;
}

// The result is the loop written out by hand, without guidance and with it, in one batch and in
// two halves.
TEST(Denoiser, EqualsTheLoopByHand) {
  for (const double guidance : {0.0, 1.0, 1.5, 3.0}) {
    for (const bool batched : {true, false}) {
      FakePredictor predictor;
      Denoiser denoiser(predictor, DdimScheduler(7),
                        {.guidance_scale = guidance, .batch_guidance = batched});
      const auto latents = denoiser.run(one_frame_of_noise(), conditioning());
      EXPECT_TRUE(test::close(latents, by_hand(conditioning(), denoiser.scheduler(), guidance),
                              {.rel_l2 = 1e-6}))
          << "guidance " << guidance << ", batched " << batched;
    }
  }
}

// The network gets latents, mask, masked and reference latents in this order, alike in both halves,
// with audio of zeros in the first half, and each step's timestep.
TEST(Denoiser, GivesTheNetworkTheDocumentedBatch) {
  FakePredictor predictor;
  const auto given = conditioning();
  Denoiser denoiser(predictor, DdimScheduler(3), {.guidance_scale = 1.5});
  std::vector<at::Tensor> seen = {one_frame_of_noise().repeat({1, 1, kFrames, 1, 1})};
  denoiser.run(one_frame_of_noise(), given,
               [&](int64_t, int64_t, const at::Tensor& latents) { seen.push_back(latents); });
  ASSERT_EQ(predictor.calls.size(), 3);
  for (size_t i = 0; i < predictor.calls.size(); ++i) {
    const auto& call = predictor.calls[i];
    const auto half =
        at::cat({seen[i], given.mask, given.masked_latents, given.reference_latents}, 1);
    EXPECT_TRUE(call.sample.equal(at::cat({half, half}))) << i;
    EXPECT_TRUE(call.audio.equal(
        at::cat({at::zeros_like(given.audio_embeddings), given.audio_embeddings})));
    EXPECT_EQ(call.timestep, denoiser.scheduler().timesteps()[i]);
  }
}

// Without guidance the network runs once a step, with a batch of one and the real audio.
TEST(Denoiser, RunsABatchOfOneWithoutGuidance) {
  FakePredictor predictor;
  Denoiser(predictor, DdimScheduler(4), {.guidance_scale = 1})
      .run(one_frame_of_noise(), conditioning());
  ASSERT_EQ(predictor.calls.size(), 4);
  for (const auto& call : predictor.calls) {
    EXPECT_EQ(call.sample.size(0), 1);
    EXPECT_TRUE(call.audio.equal(conditioning().audio_embeddings));
  }
}

// Steps whose index is a multiple of the interval are whole and fill the cache, the others reuse
// it; with an interval of 0 or 1 the cache is not used.
TEST(Denoiser, CachesByTheStepsIndex) {
  for (const int64_t interval : {0, 1, 2, 3, 5, 100}) {
    FakePredictor predictor;
    Denoiser(predictor, DdimScheduler(10), {.cache_interval = interval})
        .run(one_frame_of_noise(), conditioning());
    ASSERT_EQ(predictor.calls.size(), 10);
    for (int64_t i = 0; i < 10; ++i) {
      const auto wanted = interval <= 1       ? nn::CacheUse::kNone
                          : i % interval == 0 ? nn::CacheUse::kStore
                                              : nn::CacheUse::kReuse;
      EXPECT_EQ(predictor.calls[i].use, wanted) << "interval " << interval << ", step " << i;
      EXPECT_EQ(predictor.calls[i].cache_filled, interval > 1 && i > 0);
    }
  }
}

// Run one after the other, the two halves keep a cache each.
TEST(Denoiser, HalvesKeepTheirOwnCache) {
  FakePredictor predictor;
  Denoiser(predictor, DdimScheduler(4), {.cache_interval = 2, .batch_guidance = false})
      .run(one_frame_of_noise(), conditioning());
  ASSERT_EQ(predictor.calls.size(), 8);
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(predictor.calls[i].cache, predictor.calls[i % 2].cache);
  EXPECT_NE(predictor.calls[0].cache, predictor.calls[1].cache);
}

// What the steps of a run share is prepared once, for as many entries as run together.
TEST(Denoiser, PreparesOnceARun) {
  for (const double guidance : {1.0, 1.5}) {
    for (const bool batched : {true, false}) {
      FakePredictor predictor;
      Denoiser(predictor, DdimScheduler(4), {.guidance_scale = guidance, .batch_guidance = batched})
          .run(one_frame_of_noise(), conditioning());
      EXPECT_EQ(predictor.prepared, std::vector<int64_t>{batched && guidance > 1 ? 2 : 1});
    }
  }
}

// Each run starts with an empty cache: its first step is whole.
TEST(Denoiser, EveryRunStartsWhole) {
  FakePredictor predictor;
  Denoiser denoiser(predictor, DdimScheduler(4), {.cache_interval = 3});
  const auto first = denoiser.run(one_frame_of_noise(), conditioning());
  const auto second = denoiser.run(one_frame_of_noise(), conditioning());
  EXPECT_EQ(predictor.calls[4].use, nn::CacheUse::kStore);
  EXPECT_FALSE(predictor.calls[4].cache_filled);
  EXPECT_TRUE(first.equal(second));
}

// Progress counts every step once, and the last latents are the result.
TEST(Denoiser, ReportsProgress) {
  FakePredictor predictor;
  std::vector<int64_t> done;
  at::Tensor last;
  const auto latents = Denoiser(predictor, DdimScheduler(5))
                           .run(one_frame_of_noise(), conditioning(),
                                [&](int64_t step, int64_t steps, const at::Tensor& now) {
                                  EXPECT_EQ(steps, 5);
                                  done.push_back(step);
                                  last = now;
                                });
  EXPECT_EQ(done, (std::vector<int64_t>{1, 2, 3, 4, 5}));
  EXPECT_TRUE(last.equal(latents));
}

// A cancellation seen after any number of steps stops the loop before the next one.
TEST(Denoiser, StopsBetweenSteps) {
  constexpr int64_t kSteps = 6;
  for (int64_t allowed = 0; allowed < kSteps; ++allowed) {
    FakePredictor predictor;
    std::stop_source stop;
    if (allowed == 0) stop.request_stop();
    Denoiser denoiser(predictor, DdimScheduler(kSteps));
    try {
      denoiser.run(
          one_frame_of_noise(), conditioning(),
          [&](int64_t done, int64_t, const at::Tensor&) {
            if (done == allowed) stop.request_stop();
          },
          stop.get_token());
      ADD_FAILURE() << "not cancelled after " << allowed << " steps";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCancelled);
    }
    EXPECT_EQ(static_cast<int64_t>(predictor.calls.size()), allowed);
  }
}

// All work lies in the parts: one step each, behind a part that prepares them; progress is reported in
// between, and the result is the same.
TEST(Denoiser, GivesEachStepToTheRunner) {
  FakePredictor predictor;
  int parts = 0;
  bool running = false;
  const auto latents = Denoiser(predictor, DdimScheduler(5))
                           .run(
                               one_frame_of_noise(), conditioning(),
                               [&](int64_t step, int64_t, const at::Tensor&) {
                                 EXPECT_FALSE(running);
                                 EXPECT_EQ(parts, step + 1);
                               },
                               {},
                               [&](const std::function<void()>& part) {
                                 const auto before = predictor.calls.size();
                                 running = true;
                                 part();
                                 running = false;
                                 EXPECT_EQ(predictor.calls.size() - before, parts++ == 0 ? 0u : 1u);
                               });
  EXPECT_EQ(parts, 6);
  EXPECT_TRUE(latents.equal(
      Denoiser(predictor, DdimScheduler(5)).run(one_frame_of_noise(), conditioning())));
}

// In half precision the network gets half tensors while the latents stay float32.
TEST(Denoiser, KeepsLatentsInFloat32) {
  FakePredictor predictor;
  auto given = conditioning();
  given.masked_latents = given.masked_latents.to(at::kHalf);
  const auto latents = Denoiser(predictor, DdimScheduler(5)).run(one_frame_of_noise(), given);
  EXPECT_EQ(latents.scalar_type(), at::kFloat);
  EXPECT_EQ(predictor.calls[0].sample.scalar_type(), at::kHalf);
  EXPECT_EQ(predictor.calls[0].audio.scalar_type(), at::kHalf);
  EXPECT_TRUE(
      test::close(latents, by_hand(conditioning(), DdimScheduler(5), 1.5), {.rel_l2 = 5e-3}));
}

// The noise may be given for every frame.
TEST(Denoiser, TakesNoisePerFrame) {
  FakePredictor predictor;
  Denoiser denoiser(predictor, DdimScheduler(3));
  const auto repeated = one_frame_of_noise().repeat({1, 1, kFrames, 1, 1});
  EXPECT_TRUE(denoiser.run(repeated, conditioning())
                  .equal(denoiser.run(one_frame_of_noise(), conditioning())));
}

// Tensors that do not belong together are refused before the network runs.
TEST(Denoiser, RefusesForeignShapes) {
  std::vector<Conditioning> foreign(6, conditioning());
  foreign[0].mask = random({1, 1, kFrames, kHeight, kWidth + 1}, 1);
  foreign[1].reference_latents = random({1, kChannels, kFrames + 1, kHeight, kWidth}, 1);
  foreign[2].audio_embeddings = random({kFrames + 1, kTokens, kFeatures}, 1);
  foreign[3].masked_latents = random({kChannels, kFrames, kHeight, kWidth}, 1);
  foreign[4].mask = at::Tensor();
  foreign[5].audio_embeddings = random({kFrames, kFeatures}, 1);
  FakePredictor predictor;
  Denoiser denoiser(predictor, DdimScheduler(3));
  const auto refused = [&](const at::Tensor& noise, const Conditioning& given) {
    try {
      denoiser.run(noise, given);
    } catch (const Error& error) {
      return error.code() == ErrorCode::kInvalidArgument;
    }
    return false;
  };
  for (size_t i = 0; i < foreign.size(); ++i) {
    EXPECT_TRUE(refused(one_frame_of_noise(), foreign[i])) << i;
  }
  EXPECT_TRUE(refused(random({1, kChannels, 2, kHeight, kWidth}, 1), conditioning()));
  EXPECT_TRUE(refused(at::Tensor(), conditioning()));
  EXPECT_TRUE(predictor.calls.empty());
  EXPECT_THROW(Denoiser(predictor, DdimScheduler(3), {.cache_interval = -1}), Error);
}

}  // namespace
}  // namespace latentsync::diffusion
