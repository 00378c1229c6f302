#include "core/error.h"
#include "core/nn/autoencoder_kl.h"
#include "core/nn/taesd.h"
#include "tests/support/compare.h"
#include "tests/support/weights.h"

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/isfinite.h>
#include <gtest/gtest.h>

namespace latentsync::nn {
namespace {

const AutoencoderKLConfig kSmall{.block_out_channels = {8, 16},
                                 .layers_per_block = 1,
                                 .norm_groups = 4,
                                 .scaling_factor = 0.4,
                                 .shift_factor = 0.3};

at::Tensor random(at::IntArrayRef shape, uint64_t seed) {
  return test::generate_weight("input.bias", shape, seed) * 20;  // within [-1, 1]
}

template <typename Network>
std::shared_ptr<Network> filled(std::shared_ptr<Network> network) {
  for (auto& item : network->named_parameters()) {
    item.value().set_data(test::generate_weight(item.key(), item.value().sizes(), 3));
  }
  return network;
}

std::shared_ptr<AutoencoderKL> small_autoencoder() {
  return filled(std::make_shared<AutoencoderKL>(kSmall));
}

// Every parameter has a finite gradient, and every weight matrix and kernel one that is not zero.
void expect_gradients(const nn::Module& module) {
  for (const auto& item : module.named_parameters()) {
    const auto& gradient = item.value().grad();
    ASSERT_TRUE(gradient.defined()) << item.key();
    EXPECT_TRUE(at::isfinite(gradient).all().item<bool>()) << item.key();
    if (item.value().dim() > 1) {
      EXPECT_GT(gradient.abs().max().item<double>(), 0) << item.key();
    }
  }
}

template <typename Action>
bool refused(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code() == ErrorCode::kInvalidArgument;
  }
  return false;
}

// Latents are shifted, then scaled: the mean without noise, a sample of the posterior with it; and
// decoding undoes both.
TEST(AutoencoderKL, ScalesItsLatents) {
  const auto vae = small_autoencoder();
  const auto images = random({2, 3, 8, 6}, 1);
  const auto noise = random({2, 4, 4, 3}, 2);
  const auto posterior = vae->encode(images);
  const auto scaled = [](const at::Tensor& x) { return (x - 0.3) * 0.4; };
  EXPECT_TRUE(test::close(vae->encode_images(images), scaled(posterior.mean), {.rel_l2 = 1e-6}));
  EXPECT_TRUE(test::close(vae->encode_images(images, noise), scaled(posterior.sample(noise)),
                          {.rel_l2 = 1e-6}));
  EXPECT_TRUE(test::close(vae->decode_latents(vae->encode_images(images)),
                          vae->decode(posterior.mean), {.rel_l2 = 1e-5}));
}

// The posterior's standard deviation stays within exp(-15) and exp(10), whatever the network says.
TEST(AutoencoderKL, ClampsTheVariance) {
  const auto mean = random({1, 4, 2, 2}, 1);
  const auto noise = random({1, 4, 2, 2}, 2);
  for (const auto& [logvar, deviation] :
       {std::pair{100.0, std::exp(10.0)}, {-100.0, std::exp(-15.0)}, {1.0, std::exp(0.5)}}) {
    const Posterior posterior{mean, at::full_like(mean, logvar)};
    EXPECT_TRUE(test::close(posterior.sample(noise), mean + deviation * noise, {.rel_l2 = 1e-6}))
        << logvar;
  }
}

// Images, noise and latents of other shapes are refused.
TEST(Vae, RefusesForeignShapes) {
  const auto vae = filled(std::make_shared<Taesd>());
  const auto images = random({2, 3, 16, 16}, 1);
  for (const auto& shape : std::vector<std::vector<int64_t>>{{3, 16, 16},
                                                             {0, 3, 16, 16},
                                                             {1, 4, 16, 16},
                                                             {1, 3, 12, 16},
                                                             {1, 3, 16, 20},
                                                             {1, 3, 0, 8}}) {
    EXPECT_TRUE(refused([&] { vae->encode_images(random(shape, 1)); })) << at::IntArrayRef(shape);
  }
  EXPECT_TRUE(refused([&] { vae->encode_images(images, random({1, 4, 2, 2}, 1)); }));
  for (const auto& shape :
       std::vector<std::vector<int64_t>>{{4, 2, 2}, {1, 3, 2, 2}, {1, 4, 0, 2}, {0, 4, 2, 2}}) {
    EXPECT_TRUE(refused([&] { vae->decode_latents(random(shape, 1)); })) << at::IntArrayRef(shape);
  }
}

// One training step reaches every parameter: reconstruction of sampled latents and the distance of
// the posterior to the standard normal.
TEST(AutoencoderKL, Trains) {
  const auto vae = small_autoencoder();
  const auto images = random({2, 3, 8, 8}, 1);
  const auto posterior = vae->encode(images);
  const auto decoded = vae->decode(posterior.sample(random({2, 4, 4, 4}, 2)));
  const auto distance =
      (posterior.mean.square() + at::exp(posterior.logvar) - 1 - posterior.logvar).mean();
  ((decoded - images).square().mean() + 0.1 * distance).backward();
  expect_gradients(*vae);
}

// One training step reaches every parameter of both halves.
TEST(Taesd, Trains) {
  const auto vae = filled(std::make_shared<Taesd>());
  const auto images = random({2, 3, 16, 16}, 1);
  const auto decoded = vae->decode_latents(vae->encode_images(images));
  (decoded - images).square().mean().backward();
  expect_gradients(*vae);
}

}  // namespace
}  // namespace latentsync::nn
