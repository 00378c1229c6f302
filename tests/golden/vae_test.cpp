#include "core/model/config.h"
#include "core/model/state_dict.h"
#include "core/nn/autoencoder_kl.h"
#include "core/nn/prepare.h"
#include "core/nn/resnet_block.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"

#include <memory>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

constexpr const char* kImageKey = ".image";
const Tolerance kWholeModel{.max_abs = 1e-4, .rel_l2 = 1e-5};
const Tolerance kSingleModule{.rel_l2 = 1e-5};

nn::AutoencoderKLConfig golden_config() {
  return model::vae_config(golden_weights("vae", "vae_tiny"), "vae_tiny",
                           model::ConfigFile::read(golden_dir() / "vae/config.json"));
}

// With dense weights as they are trained, and packed for inference.
class GoldenVae : public testing::TestWithParam<bool> {
 protected:
  GoldenVae() {
    model::load_state(*vae_, golden_weights("vae", "vae_tiny"), "vae_tiny", test_device(),
                      test_precision());
    if (GetParam()) nn::prepare_for_inference(*vae_);
    for (const auto& [name, tensor] : cases_.tensors) {
      if (name.ends_with(kImageKey)) {
        names_.push_back(name.substr(0, name.size() - std::string(kImageKey).size()));
      }
    }
  }

  // A tensor of a case, on the device and in the precision of this run.
  at::Tensor input(const std::string& name) const {
    return cases_.tensors.at(name).to(test_device(), test_precision());
  }
  const at::Tensor& expected(const std::string& name) const { return cases_.tensors.at(name); }

  at::NoGradGuard no_grad_;
  model::TensorFile cases_ = golden("vae/vae_cases.safetensors");
  std::vector<std::string> names_;
  std::shared_ptr<nn::AutoencoderKL> vae_ = std::make_shared<nn::AutoencoderKL>(golden_config());
};

// Encoding gives the reference's posterior, its sample for the stored noise, and the scaled latents
// of both ways.
TEST_P(GoldenVae, EncodesLikeTheReference) {
  ASSERT_FALSE(names_.empty());
  for (const auto& name : names_) {
    SCOPED_TRACE(name);
    const auto images = input(name + ".image");
    const auto noise = input(name + ".noise");
    const auto posterior = vae_->encode(images);
    EXPECT_TRUE(close(posterior.mean, expected(name + ".mean"), tolerance(kWholeModel)));
    EXPECT_TRUE(close(posterior.logvar, expected(name + ".logvar"), tolerance(kWholeModel)));
    EXPECT_TRUE(close(posterior.sample(noise), expected(name + ".sample"), tolerance(kWholeModel)));
    EXPECT_TRUE(close(vae_->encode_images(images, noise), expected(name + ".scaled_latent"),
                      tolerance(kWholeModel)));
    const auto mean =
        (expected(name + ".mean") - vae_->config().shift_factor) * vae_->config().scaling_factor;
    EXPECT_TRUE(close(vae_->encode_images(images), mean, tolerance(kWholeModel)));
  }
}

// Decoding gives the reference's images, from encoded and from random latents.
TEST_P(GoldenVae, DecodesLikeTheReference) {
  for (const auto& name : names_) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(close(vae_->decode_latents(input(name + ".scaled_latent")),
                      expected(name + ".decoded"), tolerance(kWholeModel)));
    EXPECT_TRUE(close(vae_->decode(input(name + ".z_random")), expected(name + ".z_random_decoded"),
                      tolerance(kWholeModel)));
  }
}

// An image alone meets the goldens of several.
TEST_P(GoldenVae, SingleImagesMeetTheSameGoldens) {
  const auto part = [](const at::Tensor& x, int64_t i) { return x.narrow(0, i, 1); };
  for (const auto& name : names_) {
    SCOPED_TRACE(name);
    for (int64_t i = 0; i < input(name + ".image").size(0); ++i) {
      EXPECT_TRUE(close(
          vae_->encode_images(part(input(name + ".image"), i), part(input(name + ".noise"), i)),
          part(expected(name + ".scaled_latent"), i), tolerance(kWholeModel)));
      EXPECT_TRUE(close(vae_->decode_latents(part(input(name + ".scaled_latent"), i)),
                        part(expected(name + ".decoded"), i), tolerance(kWholeModel)));
    }
  }
}

// With inputs so small that a wrong group-norm epsilon shows, single modules equal the reference's.
TEST_P(GoldenVae, ModulesEqualTheReferenceForSmallInputs) {
  const auto file = golden("vae/vae_modules_small_input.safetensors");
  const auto modules = vae_->named_modules();
  int checked = 0;
  for (const auto& [key, stored] : file.tensors) {
    if (!key.ends_with(".in")) continue;
    const auto name = key.substr(0, key.size() - 3);
    SCOPED_TRACE(name);
    const auto* module = modules.find(name);
    ASSERT_NE(module, nullptr);
    const auto x =
        stored.to(test_device(), test_precision(), false, false, at::MemoryFormat::ChannelsLast);
    at::Tensor y;
    if (auto* resnet = dynamic_cast<nn::ResnetBlock*>(module->get())) y = resnet->forward(x);
    if (auto* attention = dynamic_cast<nn::VaeAttention*>(module->get())) y = attention->forward(x);
    ASSERT_TRUE(y.defined()) << "no module of a kind that this test knows";
    EXPECT_TRUE(close(y, file.tensors.at(name + ".out"), tolerance(kSingleModule)));
    ++checked;
  }
  EXPECT_GT(checked, 0);
}

INSTANTIATE_TEST_SUITE_P(Weights, GoldenVae, testing::Bool(),
                         [](const auto& info) { return info.param ? "Packed" : "Dense"; });

}  // namespace
}  // namespace latentsync::test
