#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

/// Bytes of tensors in system memory, counted and limited.
namespace latentsync::memory {

/// How many bytes of tensors are alive on somebody's account, and how many may be. Tensors come to
/// an account through AccountScope and leave it when their storage is freed, on whatever thread and
/// however late; until then they keep their account alive. Any number of threads may use one.
class Account {
 public:
  /// limit: bytes; 0: none. PARENT is charged for the same bytes, and its limit holds, too.
  explicit Account(int64_t limit = 0, std::shared_ptr<Account> parent = {});
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

  int64_t limit() const noexcept { return limit_; }
  /// Holds for what is allocated from now on.
  void set_limit(int64_t limit) noexcept { limit_ = limit; }

  int64_t live() const noexcept { return live_; }
  /// The most that were alive at once, since the beginning or the last reset_peak().
  int64_t peak() const noexcept { return peak_; }
  void reset_peak() noexcept { peak_ = live_.load(); }

  /// Allocations so far, refused ones included; those of children are not.
  int64_t allocations() const noexcept { return allocations_; }
  /// For tests: the N-th allocation from now on is refused (1: the next one), once; 0: none.
  void refuse_allocation(int64_t n) noexcept { refused_in_ = n; }

  /// Charges BYTES as an allocation of so many. Errors: c10::Error with the words of LibTorch's own
  /// allocator (core/lipsync/failure.h takes it for kOutOfMemory) where a limit is exceeded;
  /// nothing is charged then.
  void charge(int64_t bytes);
  void release(int64_t bytes) noexcept;

 private:
  bool take(int64_t bytes) noexcept;
  bool is_refused() noexcept;

  std::atomic<int64_t> limit_;
  const std::shared_ptr<Account> parent_;
  std::atomic<int64_t> live_ = 0;
  std::atomic<int64_t> peak_ = 0;
  std::atomic<int64_t> allocations_ = 0;
  std::atomic<int64_t> refused_in_ = 0;
};

/// While it lives, what this thread allocates through LibTorch's allocator of system memory is
/// charged to ACCOUNT (null: to nobody); the innermost scope counts. That is every tensor's
/// storage, and the packed weights and scratchpads that oneDNN takes through LibTorch. It is not
/// what oneDNN, OpenMP or MKL take from malloc() themselves, what LibTorch's own worker threads
/// allocate, nor storage that somebody else allocated, as that of mapped files.
///
/// The first scope of a process wraps LibTorch's allocator for good; threads without a scope go
/// straight to it.
class AccountScope {
 public:
  explicit AccountScope(std::shared_ptr<Account> account);
  AccountScope(const AccountScope&) = delete;
  AccountScope& operator=(const AccountScope&) = delete;
  ~AccountScope();

 private:
  std::shared_ptr<Account> account_;
  const std::shared_ptr<Account>* before_;
};

}  // namespace latentsync::memory
