#include "core/device/transfer.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

namespace latentsync::device {
namespace {

// Values of a CPU are where they belong: only another type makes a copy.
TEST(DeviceTransfer, TheHostsValuesStay) {
  const auto values = at::randn({2, 3});
  EXPECT_TRUE(to_host(values, at::kFloat).is_same(values));
  const auto halves = to_host(values, at::kHalf);
  EXPECT_EQ(halves.scalar_type(), at::kHalf);
  EXPECT_TRUE(halves.equal(values.to(at::kHalf)));
}

}  // namespace
}  // namespace latentsync::device
