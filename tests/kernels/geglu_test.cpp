#include "kernels/geglu/geglu.h"

#include "tests/support/compare.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/randn.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace latentsync::kernels {
namespace {

// values * gates * Phi(gates) by the definition in double precision, at vector and odd widths,
// contiguous or not.
TEST(Geglu, EqualsTheDefinition) {
  for (const int64_t inner : {1, 7, 32, 1280}) {
    const auto x =
        (at::randn({3, 5, 2 * inner}) * 3).to(test::test_device(), test::test_precision());
    const auto halves = x.to(at::kCPU, at::kDouble).chunk(2, -1);
    const auto expected =
        halves[0] * halves[1] * (at::erf(halves[1] * 0.70710678118654752440) + 1) * 0.5;
    const auto limit = test::tolerance({.max_abs = 1e-5, .rel_l2 = 1e-6}, 1e-2);
    EXPECT_TRUE(test::close(geglu(x), expected, limit)) << inner;
    EXPECT_TRUE(test::close(geglu(x.transpose(0, 1)), expected.transpose(0, 1), limit)) << inner;
  }
}

// The gradient reaches both halves.
TEST(Geglu, IsDifferentiable) {
  auto x = at::randn({2, 8}).requires_grad_();
  geglu(x).sum().backward();
  EXPECT_GT(x.grad().slice(1, 0, 4).abs().sum().item<float>(), 0);
  EXPECT_GT(x.grad().slice(1, 4).abs().sum().item<float>(), 0);
}

// An odd width or a whole number is refused; nothing in gives nothing out.
TEST(Geglu_Negative, RefusesWhatDoesNotFit) {
  EXPECT_THROW(geglu(at::randn({2, 3})), c10::Error);
  EXPECT_THROW(geglu(at::randn({2, 4}).to(at::kInt)), c10::Error);
  EXPECT_THROW(geglu(at::randn({1})[0]), c10::Error);
  EXPECT_EQ(geglu(at::randn({0, 4})).numel(), 0);
}

}  // namespace
}  // namespace latentsync::kernels
