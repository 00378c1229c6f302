#include "core/device/transfer.h"

#include "tests/device/test_device.h"

#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tanh.h>
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

// What is staged arrives as it was, also where the work before it is long and the memory that it
// was staged in is used for the next values at once.
TEST(DeviceTransfer, StagedValuesArrive) {
  constexpr int64_t kBytes = 3 << 20;
  constexpr int kUploads = 8;
  std::vector<at::Tensor> uploaded;
  in_task([&] {
    auto work = at::randn({512, 512}, at::TensorOptions(test_device()));
    for (int number = 0; number < kUploads; ++number) {
      for (int i = 0; i < 20; ++i) work = at::tanh(at::mm(work, work));
      const auto staged = staging(kBytes, test_device());
      EXPECT_TRUE(staged.is_cpu());
      EXPECT_EQ(staged.is_pinned(), !test_device().is_cpu());
      staged.fill_(number);
      uploaded.push_back(upload(staged, test_device()));
      EXPECT_EQ(uploaded.back().device(), test_device());
    }
  });
  in_task([&] {
    for (int number = 0; number < kUploads; ++number) {
      EXPECT_TRUE(uploaded[number].eq(number).all().item<bool>()) << number;
    }
  });
}

// Values of any layout arrive on the device with their type and shape; those that are there stay.
TEST(DeviceTransfer, ValuesGoToTheDevice) {
  in_task([&] {
    const auto values = at::randn({6, 4}).t();
    const auto there = to_device(values, test_device());
    EXPECT_EQ(there.device(), test_device());
    EXPECT_TRUE(there.cpu().equal(values));
    EXPECT_TRUE(to_device(there, test_device()).is_same(there));
  });
}

}  // namespace
}  // namespace latentsync::device
