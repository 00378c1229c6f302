#pragma once

#include <cstdint>

/// Allocations of this thread that fail: operator new and posix_memalign(), which LibTorch's
/// tensors come from. A program that links this has its own versions of both.
namespace latentsync::test {

/// While it lives, this thread's allocation number FAILS (from 0) fails, once.
class FailingAllocation {
 public:
  explicit FailingAllocation(int64_t fails);
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;
  ~FailingAllocation();

  /// Allocations of this thread so far, the failed one counted in.
  int64_t seen() const;
};

}  // namespace latentsync::test
