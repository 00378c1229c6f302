#include "core/memory/account.h"

#include <array>
#include <functional>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

namespace latentsync::memory {
namespace {

thread_local const std::shared_ptr<Account>* current = nullptr;

struct Charge {
  std::shared_ptr<Account> account;
  int64_t bytes = 0;
};

/// Who is charged for which block. Blocks with and without a charge are freed by one function:
/// LibTorch's raw_deallocate(), which oneDNN's tensors use, knows no other.
class Charges {
 public:
  void add(const void* block, Charge charge) {
    auto& shard = shard_of(block);
    const std::lock_guard lock(shard.mutex);
    shard.charges.insert_or_assign(block, std::move(charge));
  }

  std::optional<Charge> remove(const void* block) noexcept {
    auto& shard = shard_of(block);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.charges.find(block);
    if (found == shard.charges.end()) return std::nullopt;
    auto charge = std::move(found->second);
    shard.charges.erase(found);
    return charge;
  }

 private:
  struct Shard {
    std::mutex mutex;
    std::unordered_map<const void*, Charge> charges;
  };
  static constexpr size_t kShards = 16;

  Shard& shard_of(const void* block) noexcept {
    // Blocks are aligned to 64 bytes, large ones to a page and a little.
    const auto address = reinterpret_cast<uintptr_t>(block);
    return shards_[((address >> 6) ^ (address >> 12)) % kShards];
  }

  std::array<Shard, kShards> shards_;
};

/// LibTorch's allocator of system memory, which blocks come from and go back to, with the charges.
class ChargingAllocator final : public c10::Allocator {
 public:
  /// Of the process: tensors may outlive everything else.
  static ChargingAllocator& instance() {
    static auto* const allocator = new ChargingAllocator;
    return *allocator;
  }

  c10::DataPtr allocate(size_t bytes) override {
    if (current == nullptr || *current == nullptr || bytes == 0) return inner_->allocate(bytes);
    Charge charge{*current, static_cast<int64_t>(bytes)};
    charge.account->charge(charge.bytes);
    try {
      auto data = inner_->allocate(bytes);
      charges_.add(data.get(), charge);
      // What is not freed by the inner deleter never came from the inner allocator.
      TORCH_INTERNAL_ASSERT(data.compare_exchange_deleter(inner_->raw_deleter(), &free));
      return data;
    } catch (...) {
      charge.account->release(charge.bytes);
      throw;
    }
  }

  c10::DeleterFnPtr raw_deleter() const override { return &free; }

  void copy_data(void* target, const void* source, size_t bytes) const override {
    default_copy_data(target, source, bytes);
  }

 private:
  ChargingAllocator() : inner_(c10::GetCPUAllocator()) {
    TORCH_CHECK(inner_->raw_deleter() != nullptr,
                "The allocator of system memory cannot be accounted for.");
    c10::SetCPUAllocator(this, /*priority=*/1);
  }

  static void free(void* block) {
    auto& self = instance();
    const auto charge = self.charges_.remove(block);
    self.inner_->raw_deallocate(block);
    if (charge) charge->account->release(charge->bytes);
  }

  c10::Allocator* inner_;
  Charges charges_;
};

}  // namespace

Account::Account(int64_t limit, std::shared_ptr<Account> parent)
    : limit_(limit), parent_(std::move(parent)) {}

bool Account::take(int64_t bytes) noexcept {
  int64_t live = live_;
  do {
    const int64_t limit = limit_;
    if (limit > 0 && live + bytes > limit) return false;
  } while (!live_.compare_exchange_weak(live, live + bytes));
  if (parent_ && !parent_->take(bytes)) {
    live_ -= bytes;
    return false;
  }
  int64_t peak = peak_;
  while (live + bytes > peak && !peak_.compare_exchange_weak(peak, live + bytes)) {
  }
  return true;
}

bool Account::is_refused() noexcept {
  int64_t left = refused_in_;
  while (left > 0 && !refused_in_.compare_exchange_weak(left, left - 1)) {
  }
  return left == 1;
}

void Account::charge(int64_t bytes) {
  ++allocations_;
  if (!is_refused() && take(bytes)) return;
  TORCH_CHECK(false, "DefaultCPUAllocator: not enough memory: you tried to allocate ", bytes,
              " bytes beside ", live(), " of a budget of ", limit(), ".");
}

void Account::release(int64_t bytes) noexcept {
  live_ -= bytes;
  if (parent_) parent_->release(bytes);
}

AccountScope::AccountScope(std::shared_ptr<Account> account) : account_(std::move(account)) {
  ChargingAllocator::instance();
  before_ = std::exchange(current, &account_);
}

AccountScope::~AccountScope() { current = before_; }

}  // namespace latentsync::memory
