#include "core/lipsync/renderer.h"

#include "core/error.h"
#include "core/nn/autoencoder_kl.h"
#include "core/nn/taesd.h"
#include "tests/support/compare.h"
#include "tests/support/weights.h"

#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

namespace latentsync::lipsync {
namespace {

constexpr int64_t kEdge = 64, kFrames = 5;

at::Tensor random(at::IntArrayRef shape, uint64_t seed) {
  return test::generate_weight("input.bias", shape, seed) * 20;  // within [-1, 1]
}

std::shared_ptr<nn::Vae> filled(std::shared_ptr<nn::Vae> network) {
  for (auto& item : network->named_parameters()) {
    item.value().set_data(test::generate_weight(item.key(), item.value().sizes(), 3));
  }
  return network;
}

// Both kinds; a latent stands for 8 x 8 pixels of the crop.
std::vector<std::shared_ptr<nn::Vae>> autoencoders() {
  return {filled(std::make_shared<nn::AutoencoderKL>(nn::AutoencoderKLConfig{
              .block_out_channels = {8, 8, 16, 16}, .layers_per_block = 1, .norm_groups = 4})),
          filled(std::make_shared<nn::Taesd>())};
}

class Rendering : public testing::Test {
 protected:
  diffusion::Conditioning encode(const Renderer& renderer,
                                 const BatchCallback& progress = {}) const {
    return renderer.encode(crops, mask, audio, noise, progress);
  }

  c10::InferenceMode inference;
  FaceMask mask = FaceMask::make(kEdge, c10::kCPU);
  at::Tensor crops = random({kFrames, 3, kEdge, kEdge}, 1);
  at::Tensor audio = at::zeros({kFrames, 2, 2});
  at::Tensor latents = random({1, 4, kFrames, kEdge / 8, kEdge / 8}, 2);
  PosteriorNoise noise = {random({kFrames, 4, kEdge / 8, kEdge / 8}, 3),
                          random({kFrames, 4, kEdge / 8, kEdge / 8}, 4)};
};

// Each frame goes through the autoencoder as it would alone: whole for the reference, and with what
// is generated at zero.
TEST_F(Rendering, FramesAreEncodedMaskedAndWhole) {
  for (const auto& vae : autoencoders()) {
    const auto made = encode(Renderer(*vae, at::kFloat, {}));
    for (int64_t i = 0; i < kFrames; ++i) {
      const auto frame = [&](const at::Tensor& x) { return x.narrow(0, i, 1); };
      const auto made_of = [&](const at::Tensor& x) { return x.select(2, i); };
      EXPECT_TRUE(test::close(made_of(made.masked_latents),
                              vae->encode_images(frame(crops) * mask.keep, frame(noise.masked)),
                              {.rel_l2 = 1e-6}));
      EXPECT_TRUE(test::close(made_of(made.reference_latents),
                              vae->encode_images(frame(crops), frame(noise.reference)),
                              {.rel_l2 = 1e-6}));
    }
  }
}

// However many frames the autoencoder takes at once, the result is the same within rounding.
TEST_F(Rendering, BatchesDoNotChangeTheResult) {
  for (const auto& vae : autoencoders()) {
    const Renderer all(*vae, at::kFloat, {});
    const auto encoded = encode(all);
    const auto decoded = all.decode(latents);
    EXPECT_EQ(encoded.masked_latents.sizes(), latents.sizes());
    EXPECT_EQ(decoded.sizes(), crops.sizes());
    for (const int64_t batch : {1, 2, 3, 5, 8}) {
      SCOPED_TRACE(batch);
      const Renderer renderer(*vae, at::kFloat, {.batch = batch});
      const auto some = encode(renderer);
      const test::Tolerance rounding{.rel_l2 = 1e-6};
      EXPECT_TRUE(test::close(some.masked_latents, encoded.masked_latents, rounding));
      EXPECT_TRUE(test::close(some.reference_latents, encoded.reference_latents, rounding));
      EXPECT_TRUE(test::close(renderer.decode(latents), decoded, rounding));
    }
  }
}

// Batches are counted: those of the masked and of the whole crops in one row, and the decoder's.
TEST_F(Rendering, BatchesAreTold) {
  using Told = std::vector<std::pair<int64_t, int64_t>>;
  const auto vae = autoencoders().front();
  const Renderer renderer(*vae, at::kFloat, {.batch = 2});
  Told told;
  const auto tell = [&](int64_t done, int64_t batches) { told.emplace_back(done, batches); };
  encode(renderer, tell);
  EXPECT_EQ(told, (Told{{1, 6}, {2, 6}, {3, 6}, {4, 6}, {5, 6}, {6, 6}}));
  told.clear();
  renderer.decode(latents, tell);
  EXPECT_EQ(told, (Told{{1, 3}, {2, 3}, {3, 3}}));
}

// Each batch is a part of its own, so that others get their turn between two; what is made before
// the first is one, too, for each run of batches, and the mask.
TEST_F(Rendering, GivesEachBatchToTheRunner) {
  const auto vae = autoencoders().front();
  const Renderer renderer(*vae, at::kFloat, {.batch = 2});
  int parts = 0;
  const PartRunner count = [&](const std::function<void()>& part) {
    ++parts;
    part();
  };
  const auto encoded = renderer.encode(crops, mask, audio, noise, {}, count);
  EXPECT_EQ(parts, 2 * (1 + 3) + 1);
  EXPECT_TRUE(encoded.masked_latents.equal(encode(renderer).masked_latents));
  parts = 0;
  EXPECT_TRUE(renderer.decode(latents, {}, count).equal(renderer.decode(latents)));
  EXPECT_EQ(parts, 1 + 3);
}

// A stop is answered between batches at the latest.
TEST_F(Rendering, StopsBetweenBatches) {
  const auto vae = autoencoders().front();
  std::stop_source stop;
  const Renderer renderer(*vae, at::kFloat, {.batch = 1}, stop.get_token());
  int64_t batches = 0;
  try {
    renderer.decode(latents, [&](int64_t done, int64_t) {
      batches = done;
      if (done == 2) stop.request_stop();
    });
    ADD_FAILURE() << "it went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  EXPECT_EQ(batches, 2);
}

}  // namespace
}  // namespace latentsync::lipsync
