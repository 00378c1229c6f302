#include "core/device/memory.h"

#include "tests/device/test_device.h"

#include <memory>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace latentsync::device {
namespace {

// Within the scope tensors are charged to the account until they are freed.
TEST(DeviceMemory, TensorsAreCharged) {
  const auto account = std::make_shared<memory::Account>();
  at::Tensor kept;
  {
    const BudgetScope scope(c10::kCPU, account, 0);
    kept = at::empty({1 << 20}, at::kByte);
  }
  at::empty({1 << 20}, at::kByte);
  EXPECT_GE(account->live(), 1 << 20);
  EXPECT_LT(account->peak(), 2 << 20);
  kept.reset();
  EXPECT_EQ(account->live(), 0);
}

// The account's limit holds within the scope, and not behind it.
TEST(DeviceMemory, ABudgetHolds) {
  const auto account = std::make_shared<memory::Account>(1 << 20);
  {
    const BudgetScope scope(c10::kCPU, account, 0);
    EXPECT_THROW(at::empty({2 << 20}, at::kByte), c10::Error);
  }
  EXPECT_NO_THROW(at::empty({2 << 20}, at::kByte));
}

// On a GPU the process's allocator refuses what exceeds the headroom, and only within the scope.
TEST(DeviceMemory, HeadroomHoldsOnAGpu) {
  const auto device = test_device();
  if (device.is_cpu()) GTEST_SKIP() << "LATENTSYNC_TEST_DEVICE is a CPU";
  in_task([&] {
    const auto options = at::TensorOptions(at::kByte).device(device);
    const auto before = at::empty({256 << 20}, options);
    {
      const BudgetScope scope(device, nullptr, 128 << 20);
      EXPECT_NO_THROW(at::empty({64 << 20}, options));
      EXPECT_THROW(at::empty({256 << 20}, options), c10::OutOfMemoryError);
    }
    EXPECT_NO_THROW(at::empty({256 << 20}, options));
  });
}

}  // namespace
}  // namespace latentsync::device
