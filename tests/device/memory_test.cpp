#include "core/device/memory.h"

#include <memory>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace latentsync::device {
namespace {

// Within the scope tensors are charged to the account, and its peak is that of the scope.
TEST(DeviceMemory, AScopeMeasures) {
  const auto account = std::make_shared<memory::Account>();
  at::Tensor kept;
  {
    const MemoryScope scope(c10::kCPU, account);
    kept = at::empty({1 << 20}, at::kByte);
    at::empty({1 << 20}, at::kByte);
    EXPECT_GE(scope.peak(), 2 << 20);
  }
  const MemoryScope next(c10::kCPU, account);
  EXPECT_GE(next.peak(), 1 << 20);
  EXPECT_LT(next.peak(), 2 << 20);
}

// The account's limit holds within the scope, and not behind it.
TEST(DeviceMemory, ABudgetHolds) {
  const auto account = std::make_shared<memory::Account>(1 << 20);
  {
    const MemoryScope scope(c10::kCPU, account);
    EXPECT_THROW(at::empty({2 << 20}, at::kByte), c10::Error);
  }
  EXPECT_NO_THROW(at::empty({2 << 20}, at::kByte));
}

}  // namespace
}  // namespace latentsync::device
