#include "tests/support/compare.h"
#include "tests/support/golden.h"
#include "tests/support/networks.h"

#include <string>

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

// Measured rounding is 3.2e-6 / 1.1e-6; a window whose lowest level is 1x1 normalises over two
// values there and is ill-conditioned.
Tolerance evaluation_tolerance(const at::Tensor& sample) {
  const bool ill_conditioned = sample.size(3) / 8 * (sample.size(4) / 8) <= 1;
  if (ill_conditioned) return tolerance({.max_abs = 5e-3, .rel_l2 = 5e-4}, 5e-2);
  return tolerance({.max_abs = 5e-5, .rel_l2 = 1e-5});
}

struct Variant {
  const char* name;
  bool prepared;
  nn::AttentionMode attention;
};

class UNetGolden : public testing::TestWithParam<Variant> {};

// One evaluation equals the reference at every stored shape, batch and timestep, with dense and
// with packed weights, with fused and with written-out attention.
TEST_P(UNetGolden, EvaluationEqualsTheReference) {
  const at::NoGradGuard no_grad;
  const auto unet = golden_unet(GetParam().prepared);
  int outputs = 0;
  for (const auto& path : golden_files("unet", "unet_b")) {
    SCOPED_TRACE(path.filename());
    const auto tensors = model::open_tensor_file(path).tensors;
    const auto& sample = tensors.at("sample");
    for (const auto& [name, expected] : tensors) {
      if (!name.starts_with("out_t")) continue;
      const auto actual = unet->forward(on_device(sample), std::stoll(name.substr(5)),
                                        on_device(tensors.at("encoder_hidden_states")),
                                        nn::CacheUse::kNone, nullptr, GetParam().attention);
      EXPECT_TRUE(close(actual, expected, evaluation_tolerance(sample))) << name;
      ++outputs;
    }
  }
  EXPECT_GT(outputs, 0);
}

INSTANTIATE_TEST_SUITE_P(Variants, UNetGolden,
                         testing::Values(Variant{"DenseFlash", false, nn::AttentionMode::kFlash},
                                         Variant{"PackedFlash", true, nn::AttentionMode::kFlash},
                                         Variant{"PackedStandard", true,
                                                 nn::AttentionMode::kStandard}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace latentsync::test
