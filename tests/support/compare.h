#pragma once

#include <string>

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

/// How far two tensors are apart, and the device and precision that a test run asks for.
namespace latentsync::test {

struct Difference {
  double max_abs = 0;  ///< largest absolute difference
  double rel_l2 = 0;   ///< |actual - expected| / |expected|
  double psnr =
      0;  ///< 10 log10(peak^2 / mse), peak = the expected values' largest magnitude (255 for uint8)
};

/// Shapes must be equal; computed in float64 on the CPU.
Difference difference(const at::Tensor& actual, const at::Tensor& expected);

/// A limit of 0 is not tested.
struct Tolerance {
  double max_abs = 0;
  double rel_l2 = 0;
  double psnr = 0;
};

/// With $LATENTSYNC_TEST_FIGURES set, every comparison prints its figures.
/// For EXPECT_TRUE: same shape, everything finite where EXPECTED is, within TOLERANCE; else tells
/// the figures.
testing::AssertionResult close(const at::Tensor& actual, const at::Tensor& expected,
                               const Tolerance& tolerance);

/// $LATENTSYNC_TEST_DEVICE ("cpu" by default, "cuda", "cuda:1") and $LATENTSYNC_TEST_PRECISION
/// ("float32" by default, "bfloat16", "float16").
at::Device test_device();
at::ScalarType test_precision();

/// The tolerance that holds for this run: FLOAT32 as it stands in float32. In half precisions PSNR
/// >= 30 dB and a relative L2 of HALF_REL_L2, in bfloat16 two and a half times that: it has three
/// bits less than float16.
Tolerance tolerance(const Tolerance& float32, double half_rel_l2 = 2e-2);

}  // namespace latentsync::test
