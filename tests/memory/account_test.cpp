#include "core/memory/account.h"

#include "core/lipsync/failure.h"

#include <memory>
#include <thread>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

namespace latentsync::memory {
namespace {

constexpr int64_t kKiB = 1024;

at::Tensor bytes(int64_t count) { return at::empty({count}, at::kByte); }

TEST(Account, TensorsOfAScopeAreChargedUntilTheyAreFreed) {
  const auto account = std::make_shared<Account>();
  at::Tensor kept;
  {
    const AccountScope scope(account);
    kept = bytes(3 * kKiB);
    { const auto passing = bytes(5 * kKiB); }
    EXPECT_EQ(account->live(), 3 * kKiB);
  }
  const auto other = bytes(kKiB);
  EXPECT_EQ(account->live(), 3 * kKiB);
  EXPECT_EQ(account->peak(), 8 * kKiB);
  EXPECT_EQ(account->allocations(), 2);
  account->reset_peak();
  EXPECT_EQ(account->peak(), 3 * kKiB);
  std::thread([&] { kept.reset(); }).join();
  EXPECT_EQ(account->live(), 0);
}

TEST(Account, ResultsOfOperatorsAreCharged) {
  const auto account = std::make_shared<Account>();
  const auto x = at::ones({256});
  const AccountScope scope(account);
  const auto y = x + x;
  EXPECT_EQ(account->live(), 256 * 4);
  EXPECT_EQ(y.sum().item<float>(), 512);
}

TEST(Account, TheInnermostScopeCounts) {
  const auto outer = std::make_shared<Account>(), inner = std::make_shared<Account>();
  const AccountScope first(outer);
  at::Tensor a, b;
  {
    const AccountScope second(inner);
    a = bytes(kKiB);
    const AccountScope nobody(nullptr);
    b = bytes(kKiB);
  }
  const auto c = bytes(2 * kKiB);
  EXPECT_EQ(inner->live(), kKiB);
  EXPECT_EQ(outer->live(), 2 * kKiB);
}

TEST(Account, BeyondTheLimitIsOutOfMemoryAndNothingIsCharged) {
  const auto account = std::make_shared<Account>(4 * kKiB);
  const AccountScope scope(account);
  const auto kept = bytes(3 * kKiB);
  const auto result = lipsync::guarded([] { return bytes(2 * kKiB); });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.failure().code, ErrorCode::kOutOfMemory);
  EXPECT_EQ(account->live(), 3 * kKiB);
  EXPECT_EQ(account->peak(), 3 * kKiB);
  const auto fitting = bytes(kKiB);
  EXPECT_EQ(account->live(), 4 * kKiB);
  account->set_limit(0);
  const auto unlimited = bytes(kKiB);
  EXPECT_EQ(account->live(), 5 * kKiB);
}

TEST(Account, ParentsSumTheirChildrenAndLimitThem) {
  const auto device = std::make_shared<Account>(4 * kKiB);
  const auto one = std::make_shared<Account>(0, device), two = std::make_shared<Account>(0, device);
  at::Tensor a, b;
  {
    const AccountScope scope(one);
    a = bytes(2 * kKiB);
  }
  const AccountScope scope(two);
  b = bytes(kKiB);
  EXPECT_EQ(device->live(), 3 * kKiB);
  EXPECT_ANY_THROW(bytes(2 * kKiB));
  EXPECT_EQ(two->live(), kKiB);
  EXPECT_EQ(device->live(), 3 * kKiB);
  a.reset();
  const auto fitting = bytes(2 * kKiB);
  EXPECT_EQ(device->live(), 3 * kKiB);
  EXPECT_EQ(device->peak(), 3 * kKiB);
}

TEST(Account, TheNthAllocationIsRefusedOnce) {
  const auto account = std::make_shared<Account>();
  const AccountScope scope(account);
  account->refuse_allocation(3);
  const auto a = bytes(1), b = bytes(1);
  const auto refused = lipsync::guarded([] { return bytes(1); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.failure().code, ErrorCode::kOutOfMemory);
  const auto c = bytes(1);
  EXPECT_EQ(account->live(), 3);
  EXPECT_EQ(account->allocations(), 4);
}

TEST(Account, TensorsKeepTheirAccount) {
  auto account = std::make_shared<Account>();
  const std::weak_ptr<Account> watched = account;
  at::Tensor kept;
  {
    const AccountScope scope(std::move(account));
    kept = bytes(kKiB);
  }
  EXPECT_FALSE(watched.expired());
  kept.reset();
  EXPECT_TRUE(watched.expired());
}

// As oneDNN takes and gives its tensors' memory.
TEST(Account, RawBlocksOfBothKindsAreFreed) {
  const auto account = std::make_shared<Account>();
  void* const before = c10::GetCPUAllocator()->raw_allocate(kKiB);
  void* inside = nullptr;
  {
    const AccountScope scope(account);
    inside = c10::GetCPUAllocator()->raw_allocate(kKiB);
    EXPECT_EQ(account->live(), kKiB);
    c10::GetCPUAllocator()->raw_deallocate(before);
  }
  c10::GetCPUAllocator()->raw_deallocate(inside);
  EXPECT_EQ(account->live(), 0);
}

TEST(Account, BlocksStayAligned) {
  const auto account = std::make_shared<Account>();
  const AccountScope scope(account);
  for (int64_t size : {1, 63, 65, 4097, 1 << 20}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes(size).data_ptr()) % 64, 0) << size;
  }
  EXPECT_EQ(bytes(0).numel(), 0);
  EXPECT_EQ(account->live(), 0);
}

TEST(Account, ThreadsMayShareOne) {
  const auto account = std::make_shared<Account>();
  std::vector<at::Tensor> kept(4);
  std::vector<std::thread> threads;
  for (auto& tensor : kept) {
    threads.emplace_back([&] {
      const AccountScope scope(account);
      for (int i = 0; i < 2000; ++i) tensor = bytes(kKiB + i % 7);
    });
  }
  for (auto& thread : threads) thread.join();
  int64_t sum = 0;
  for (const auto& tensor : kept) sum += tensor.numel();
  EXPECT_EQ(account->live(), sum);
  EXPECT_LE(account->peak(), 8 * (kKiB + 6));
  kept.clear();
  EXPECT_EQ(account->live(), 0);
}

}  // namespace
}  // namespace latentsync::memory
