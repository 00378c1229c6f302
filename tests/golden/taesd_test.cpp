#include "core/nn/taesd.h"

#include "core/model/state_dict.h"
#include "core/nn/prepare.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"
#include "tests/support/models_dir.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

constexpr const char* kImageKey = ".image";
const Tolerance kTolerance{.rel_l2 = 1e-5};

// The published weights: beside the goldens if they lie there, else the project's own copy.
model::TensorFile published_half(const std::string& half) {
  const auto name = "taesd_" + half + ".safetensors";
  const auto beside = golden_dir() / "taesd" / name;
  return model::open_tensor_file(
      std::filesystem::exists(beside) ? beside : test::models_dir() / "taesd" / name);
}

// With dense weights as they are trained, and packed for inference.
class GoldenTaesd : public testing::TestWithParam<bool> {
 protected:
  GoldenTaesd() {
    load(vae_->encoder(), "encoder");
    load(vae_->decoder(), "decoder");
    if (GetParam()) nn::prepare_for_inference(*vae_);
    for (const auto& [name, tensor] : cases_.tensors) {
      if (name.ends_with(kImageKey)) {
        names_.push_back(name.substr(0, name.size() - std::string(kImageKey).size()));
      }
    }
  }

  static void load(nn::Module& module, const std::string& half) {
    const auto file = published_half(half);
    model::load_state(module, file.tensors, file.path.string(), test_device(), test_precision());
  }

  // A tensor of a case, on the device and in the precision of this run.
  at::Tensor input(const std::string& name) const {
    return cases_.tensors.at(name).to(test_device(), test_precision());
  }
  const at::Tensor& expected(const std::string& name) const { return cases_.tensors.at(name); }

  at::NoGradGuard no_grad_;
  model::TensorFile cases_ = golden("taesd/taesd.safetensors");
  std::vector<std::string> names_;
  std::shared_ptr<nn::Taesd> vae_ = std::make_shared<nn::Taesd>();
};

// Both halves equal the published network, on images in [0, 1].
TEST_P(GoldenTaesd, HalvesEqualTheReference) {
  ASSERT_FALSE(names_.empty());
  for (const auto& name : names_) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(close(vae_->encoder().forward(input(name + ".image")), expected(name + ".latents"),
                      tolerance(kTolerance)));
    EXPECT_TRUE(close(vae_->decoder().forward(input(name + ".latents")),
                      expected(name + ".decoded"), tolerance(kTolerance)));
  }
}

// Latents far outside what the encoder gives decode alike: the soft clamp is there.
TEST_P(GoldenTaesd, DecodesRandomLatentsLikeTheReference) {
  EXPECT_TRUE(close(vae_->decoder().forward(input("z_random")), expected("z_random.decoded"),
                    tolerance(kTolerance)));
}

// Behind the common interface the same network takes and gives images in [-1, 1].
TEST_P(GoldenTaesd, InterfaceSpeaksTheCommonRange) {
  for (const auto& name : names_) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(close(vae_->encode_images(input(name + ".image") * 2 - 1),
                      expected(name + ".latents"), tolerance(kTolerance)));
    EXPECT_TRUE(close(vae_->decode_latents(input(name + ".latents")) * 0.5 + 0.5,
                      expected(name + ".decoded"), tolerance(kTolerance)));
  }
}

INSTANTIATE_TEST_SUITE_P(Weights, GoldenTaesd, testing::Bool(),
                         [](const auto& info) { return info.param ? "Packed" : "Dense"; });

}  // namespace
}  // namespace latentsync::test
