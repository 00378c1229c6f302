#pragma once

#include <cstdint>

#include <c10/core/Device.h>

namespace latentsync::test {

/// How far memory rises from the moment at which an object is made. One at a time: a new one begins
/// the process's peak anew.
class MemoryGrowth {
 public:
  /// DEVICE other than the CPU: its own memory is watched beside the process's.
  explicit MemoryGrowth(c10::Device device = c10::kCPU);

  /// Resident memory of the process, bytes: above the beginning now, without pages of files and
  /// without what is freed and still held by the system's allocator; above the beginning at the
  /// highest; and the highest itself. Where the system (a sandbox) does not let a process begin its
  /// peak anew, which is said on standard error, the highest is what there is now.
  int64_t now() const;
  int64_t peak() const;
  int64_t total_peak() const;

  /// What tensors on the device held above the beginning at the highest; 0 on the CPU.
  int64_t device_peak() const;

 private:
  c10::Device device_;
  bool has_peak_ = false;
  int64_t before_ = 0;
  int64_t allocated_before_ = 0;
  int64_t device_before_ = 0;
};

}  // namespace latentsync::test
