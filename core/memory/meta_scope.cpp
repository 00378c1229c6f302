#include "core/memory/meta_scope.h"

#include "core/memory/meta_kernels.h"

#include <mutex>
#include <utility>

#include <c10/core/Allocator.h>

namespace latentsync::memory {
namespace {

thread_local const MetaScope* current = nullptr;

struct Block {
  std::shared_ptr<Account> account;
  int64_t bytes;
};

}  // namespace

/// Of the process, from the first scope on.
class MetaAllocator final : public c10::Allocator {
 public:
  static void install() {
    static std::once_flag once;
    std::call_once(once, [] {
      register_meta_kernels();
      c10::SetAllocator(c10::kMeta, new MetaAllocator, /*priority=*/1);
    });
  }

  c10::DataPtr allocate(size_t bytes) override {
    if (current == nullptr || bytes == 0) return {nullptr, c10::kMeta};
    auto block = std::make_unique<Block>(
        Block{current->account_, rounded(static_cast<int64_t>(bytes), current->rounding_)});
    block->account->charge(block->bytes);
    return {nullptr, block.release(), &free, c10::kMeta};
  }

  void copy_data(void*, const void*, size_t) const override {}

 private:
  static void free(void* context) {
    const std::unique_ptr<Block> block(static_cast<Block*>(context));
    block->account->release(block->bytes);
  }
};

int64_t rounded(int64_t bytes, Rounding rounding) {
  if (rounding == Rounding::kNone || bytes == 0) return bytes;
  constexpr int64_t kBlock = 512;
  constexpr int64_t kLarge = 10 << 20;
  constexpr int64_t kSegment = 2 << 20;
  const int64_t unit = bytes < kLarge ? kBlock : kSegment;
  return (bytes + unit - 1) / unit * unit;
}

MetaScope::MetaScope(std::shared_ptr<Account> account, Rounding rounding)
    : account_(std::move(account)), rounding_(rounding) {
  MetaAllocator::install();
  before_ = std::exchange(current, this);
}

MetaScope::~MetaScope() { current = before_; }

Rounding MetaScope::rounding() noexcept {
  return current == nullptr ? Rounding::kNone : current->rounding_;
}

}  // namespace latentsync::memory
