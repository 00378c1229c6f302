#include "core/nn/in_place.h"

#include "core/nn/layers.h"
#include "core/nn/prepare.h"
#include "core/nn/resnet_block.h"

#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

namespace latentsync::nn {
namespace {

at::Tensor picture(int64_t channels) {
  return at::randn({4, channels, 6, 5}).contiguous(at::MemoryFormat::ChannelsLast);
}

// Memory is written over only where nobody else can see it, and never where a gradient could want
// it.
TEST(MayOverwrite, OnlyTheLastReferenceWithoutGradients) {
  const auto of_its_own = [](at::Tensor x) { return may_overwrite(x); };
  EXPECT_FALSE(of_its_own(at::randn({2, 3})));
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(of_its_own(at::randn({2, 3})));
  const auto kept = at::randn({2, 3});
  EXPECT_FALSE(of_its_own(kept));
  EXPECT_FALSE(of_its_own(kept.narrow(0, 0, 1)));
}

// A sum and a ReLU lie in the first operand's memory without gradients, else in their own.
TEST(InPlace, WithoutGradientsOnly) {
  const auto y = at::randn({2, 3});
  for (const bool gradients : {false, true}) {
    const at::AutoGradMode mode(gradients);
    const auto x = at::randn({2, 3});
    const auto sum = x + y;
    const auto* memory = x.const_data_ptr();
    const auto added = add_into(x, y);
    EXPECT_TRUE(added.equal(sum));
    EXPECT_EQ(added.const_data_ptr() == memory, !gradients);
    const auto rectified = relu_into(added);
    EXPECT_TRUE(rectified.equal(sum.clamp_min(0)));
    EXPECT_EQ(rectified.const_data_ptr() == added.const_data_ptr(), !gradients);
  }
}

// A group norm that is given its input takes its memory; one that is not leaves it as it is.
TEST(InPlace, GroupNormTakesTheMemoryOfWhatItIsGiven) {
  const c10::InferenceMode inference;
  GroupNorm norm(4, 8, 1e-5);
  initialise_parameters(norm, 1);
  auto x = picture(8);
  const auto before = x.clone();
  const auto expected = norm.forward(x, 2, true);
  EXPECT_TRUE(x.equal(before));
  const auto* memory = x.const_data_ptr();
  const auto result = norm.forward(std::move(x), 2, true);
  EXPECT_EQ(result.const_data_ptr(), memory);
  EXPECT_TRUE(result.equal(expected));
}

// A resnet gives the same to the bit whether its input is its own or not, with and without a
// shortcut of its own; an input that its caller keeps is not touched.
TEST(InPlace, ResnetIsTheSame) {
  const c10::InferenceMode inference;
  for (const int64_t out : {8, 16}) {
    ResnetBlock resnet({.in_channels = 8, .out_channels = out, .groups = 4});
    initialise_parameters(resnet, 1);
    auto x = picture(8);
    const auto before = x.clone();
    const auto expected = resnet.forward(x, {}, 2);
    EXPECT_TRUE(x.equal(before)) << out;
    EXPECT_TRUE(resnet.forward(std::move(x), {}, 2).equal(expected)) << out;
  }
}

}  // namespace
}  // namespace latentsync::nn
