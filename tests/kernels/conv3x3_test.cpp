#include "kernels/conv3x3/conv3x3.h"

#include "tests/support/compare.h"

#include <cmath>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace latentsync::kernels {
namespace {

using test::close;

struct Shape {
  int64_t images, in, out, height, width;
};

at::Tensor random_weight(int64_t out, int64_t in) {
  return at::randn({out, in, 3, 3}) / std::sqrt(9 * static_cast<double>(in));
}

// The definition, in double precision.
at::Tensor gold(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::conv2d(x.to(at::kDouble), weight.to(at::kDouble),
                    bias.defined() ? bias.to(at::kDouble) : bias, 1, 1);
}

class Conv3x3 : public testing::TestWithParam<Shape> {};

// Every output equals the definition: with and without bias, residual and ReLU, at sizes that no
// tile divides, channels-last or not.
TEST_P(Conv3x3, EqualsTheDefinition) {
  const auto& s = GetParam();
  const auto x = at::randn({s.images, s.in, s.height, s.width});
  const auto weight = random_weight(s.out, s.in), offset = at::randn({s.out});
  const auto added = at::randn({s.images, s.out, s.height, s.width});
  const auto weights = conv3x3_weights(weight);
  for (const bool with_bias : {false, true}) {
    const auto bias = with_bias ? offset : at::Tensor();
    const auto plain = gold(x, weight, bias);
    for (const bool with_residual : {false, true}) {
      for (const bool relu : {false, true}) {
        auto expected = with_residual ? plain + added : plain;
        if (relu) expected = expected.clamp_min(0);
        const auto residual = with_residual ? added : at::Tensor();
        const auto planar = conv3x3(x, weights, bias, residual, relu);
        EXPECT_TRUE(close(planar, expected, {.max_abs = 5e-5, .rel_l2 = 2e-6}))
            << with_bias << with_residual << relu;
        EXPECT_TRUE(planar.is_contiguous(at::MemoryFormat::ChannelsLast));
        const auto last =
            conv3x3(x.contiguous(at::MemoryFormat::ChannelsLast), weights, bias, residual, relu);
        EXPECT_TRUE(last.equal(planar)) << "the memory format changes the result";
      }
    }
  }
}

// Gradients of x, weight and bias are those of the definition.
TEST_P(Conv3x3, GradientsAreTheDefinitions) {
  const auto& s = GetParam();
  const at::Tensor given[] = {at::randn({s.images, s.in, s.height, s.width}),
                              random_weight(s.out, s.in), at::randn({s.out})};
  const auto gradient = at::randn({s.images, s.out, s.height, s.width});
  const auto gradients = [&](at::ScalarType type, const auto& network) {
    std::vector<at::Tensor> inputs;
    for (const auto& t : given) inputs.push_back(t.to(type).detach().clone().requires_grad_());
    network(inputs[0], inputs[1], inputs[2]).backward(gradient.to(type));
    for (auto& t : inputs) t = t.grad();
    return inputs;
  };
  const auto ours = gradients(at::kFloat, conv3x3_differentiable);
  const auto expected = gradients(at::kDouble, gold);
  for (size_t i = 0; i < ours.size(); ++i) {
    EXPECT_TRUE(close(ours[i], expected[i], {.max_abs = 1e-3, .rel_l2 = 1e-5})) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Conv3x3,
                         testing::Values(Shape{1, 16, 16, 1, 1}, Shape{2, 16, 32, 4, 8},
                                         Shape{3, 32, 48, 7, 13}, Shape{1, 64, 64, 33, 6},
                                         Shape{12, 96, 96, 5, 5}, Shape{2, 192, 96, 16, 16}));

// Neither the number of threads nor the images beside it change a bit of an image.
TEST(Conv3x3Determinism, ThreadsAndBatchesDoNotChangeTheResult) {
  const auto x = at::randn({5, 64, 21, 30});
  const auto weight = random_weight(64, 64), bias = at::randn({64});
  const auto weights = conv3x3_weights(weight);
  const auto gradient = at::randn({5, 64, 21, 30});
  const int threads = at::get_num_threads();
  const auto made = [&](int count) {
    at::set_num_threads(count);
    auto parameter = weight.clone().requires_grad_();
    conv3x3_differentiable(x, parameter, bias).backward(gradient);
    return std::vector<at::Tensor>{conv3x3(x, weights, bias), parameter.grad()};
  };
  const auto alone = made(1), together = made(2);
  at::set_num_threads(threads);
  for (size_t i = 0; i < alone.size(); ++i) EXPECT_TRUE(alone[i].equal(together[i])) << i;
  EXPECT_TRUE(conv3x3(x.narrow(0, 3, 1), weights, bias).equal(alone[0].narrow(0, 3, 1)));
}

// What is not differentiated costs nothing: an input that asks for no gradient gets none.
TEST(Conv3x3Gradient, OnlyWhatIsAskedFor) {
  const auto x = at::randn({1, 16, 4, 4});
  auto weight = random_weight(16, 16).requires_grad_();
  const auto y = conv3x3_differentiable(x, weight, {});
  y.sum().backward({}, /*retain_graph=*/true);
  EXPECT_FALSE(x.grad().defined());
  EXPECT_TRUE(weight.grad().defined());
  EXPECT_THROW(y.square().sum().backward({}, std::nullopt, /*create_graph=*/true), c10::Error);
}

// Only weights that it can take are said to be taken.
TEST(Conv3x3_Negative, SaysWhatItTakes) {
  EXPECT_TRUE(conv3x3_takes(random_weight(16, 32)));
  EXPECT_FALSE(conv3x3_takes(random_weight(16, 3)));
  EXPECT_FALSE(conv3x3_takes(random_weight(4, 16)));
  EXPECT_FALSE(conv3x3_takes(random_weight(16, 16).to(at::kDouble)));
  EXPECT_FALSE(conv3x3_takes(at::randn({16, 16, 1, 1})));
  EXPECT_FALSE(conv3x3_takes(at::empty({0})));
  EXPECT_THROW(conv3x3_weights(random_weight(16, 3)), c10::Error);
}

// Arguments that do not fit are refused, never read past; no image is no image.
TEST(Conv3x3_Negative, RefusesWhatDoesNotFit) {
  const auto x = at::randn({2, 16, 5, 6});
  const auto weights = conv3x3_weights(random_weight(32, 16));
  const at::Tensor none;
  EXPECT_THROW(conv3x3(x[0], weights, none), c10::Error);
  EXPECT_THROW(conv3x3(at::randn({2, 32, 5, 6}), weights, none), c10::Error);
  EXPECT_THROW(conv3x3(x.to(at::kDouble), weights, none), c10::Error);
  EXPECT_THROW(conv3x3(x, random_weight(32, 16), none), c10::Error);
  EXPECT_THROW(conv3x3(x, weights, at::randn({16})), c10::Error);
  EXPECT_THROW(conv3x3(x, weights, none, at::randn({2, 32, 6, 5})), c10::Error);
  EXPECT_EQ(conv3x3(x.narrow(0, 0, 0), weights, none).numel(), 0);
}

}  // namespace
}  // namespace latentsync::kernels
