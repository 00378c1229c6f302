#pragma once

#include <cstdint>
#include <map>
#include <string>

/// What LibTorch's dispatcher is asked for, on all threads of the process.
namespace latentsync::test {

struct OperatorCounts {
  /// Operators that compute something: LibTorch's and our own, without those that only describe
  /// memory anew. On a CUDA device each is about one kernel launch.
  int64_t launches = 0;
  /// Those by which the host reads a value or a shape that depends on values (item(), nonzero(),
  /// indexing by a mask): on a device each is a wait, which nobody counts.
  std::map<std::string, int64_t> host_reads;
  /// to() with a device: between a device and the host each is a wait that nobody counts.
  int64_t moves = 0;
};

/// Counts while it lives; one at a time.
class OperatorCount {
 public:
  OperatorCount();
  OperatorCount(const OperatorCount&) = delete;
  OperatorCount& operator=(const OperatorCount&) = delete;
  ~OperatorCount();

  OperatorCounts counts() const;

 private:
  uint64_t handle_;
};

}  // namespace latentsync::test
