#include "tests/support/compare.h"

#include <cmath>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <stdexcept>

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>

namespace latentsync::test {

Difference difference(const at::Tensor& actual, const at::Tensor& expected) {
  const auto a = actual.detach().to(at::kCPU, at::kDouble);
  const auto e = expected.detach().to(at::kCPU, at::kDouble);
  if (e.numel() == 0) return {0, 0, std::numeric_limits<double>::infinity()};
  const auto delta = (a - e).abs();
  const double squares = delta.square().sum().item<double>();
  const double peak = expected.scalar_type() == at::kByte ? 255 : e.abs().max().item<double>();
  const double norm = std::sqrt(e.square().sum().item<double>());
  return {delta.max().item<double>(), std::sqrt(squares) / std::max(norm, 1e-30),
          squares == 0 ? std::numeric_limits<double>::infinity()
                       : 10 * std::log10(peak * peak / (squares / static_cast<double>(e.numel())))};
}

testing::AssertionResult close(const at::Tensor& actual, const at::Tensor& expected,
                               const Tolerance& tolerance) {
  if (actual.sizes() != expected.sizes()) {
    return testing::AssertionFailure()
           << "shape " << actual.sizes() << ", expected " << expected.sizes();
  }
  if (!at::isfinite(actual.detach().to(at::kCPU, at::kDouble)).all().item<bool>() &&
      at::isfinite(expected.to(at::kDouble)).all().item<bool>()) {
    return testing::AssertionFailure() << "not finite";
  }
  const auto d = difference(actual, expected);
  const bool ok = (tolerance.max_abs == 0 || d.max_abs <= tolerance.max_abs) &&
                  (tolerance.rel_l2 == 0 || d.rel_l2 <= tolerance.rel_l2) &&
                  (tolerance.psnr == 0 || d.psnr >= tolerance.psnr);
  if (std::getenv("LATENTSYNC_TEST_FIGURES") != nullptr) {
    std::cout << "figures: " << actual.sizes() << " max abs " << d.max_abs << " rel L2 " << d.rel_l2
              << " PSNR " << d.psnr << "\n";
  }
  return (ok ? testing::AssertionSuccess() : testing::AssertionFailure())
         << "max abs " << d.max_abs << " (limit " << tolerance.max_abs << "), rel L2 " << d.rel_l2
         << " (limit " << tolerance.rel_l2 << "), PSNR " << d.psnr << " dB (limit "
         << tolerance.psnr << ")";
}

at::Device test_device() {
  const char* given = std::getenv("LATENTSYNC_TEST_DEVICE");
  return at::Device(given != nullptr && *given != '\0' ? given : "cpu");
}

at::ScalarType test_precision() {
  const char* given = std::getenv("LATENTSYNC_TEST_PRECISION");
  const std::string name = given != nullptr && *given != '\0' ? given : "float32";
  if (name == "float32") return at::kFloat;
  if (name == "bfloat16") return at::kBFloat16;
  if (name == "float16") return at::kHalf;
  throw std::invalid_argument("LATENTSYNC_TEST_PRECISION: float32, bfloat16 or float16, not " +
                              name);
}

Tolerance tolerance(const Tolerance& float32, double half_rel_l2) {
  if (test_precision() == at::kFloat) return float32;
  return {.rel_l2 = test_precision() == at::kBFloat16 ? 2.5 * half_rel_l2 : half_rel_l2,
          .psnr = 30};
}

}  // namespace latentsync::test
