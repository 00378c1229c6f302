#pragma once

#include "core/memory/account.h"

#include <cstdint>
#include <memory>
#include <optional>

#include <c10/core/Device.h>

/// Memory of a device while work is done on it.
namespace latentsync::device {

/// While it lives, a budget holds for the memory of DEVICE, and the most that was taken is
/// measured. On a CPU, tensors that this thread makes are charged to ACCOUNT, whose limit holds. On
/// CUDA the account's limit holds for all that the process's allocator has taken from the device,
/// other sessions' tensors and unused blocks included: unused blocks are given back before an
/// allocation fails. One scope a device at a time, as an executor's tasks have it; inner ones of
/// the same thread may follow each other.
class MemoryScope {
 public:
  /// Errors: what the device reports.
  MemoryScope(c10::Device device, std::shared_ptr<memory::Account> account);
  MemoryScope(const MemoryScope&) = delete;
  MemoryScope& operator=(const MemoryScope&) = delete;
  ~MemoryScope();

  /// Bytes of tensors that were alive at once since the scope began: on CUDA all of the process on
  /// the device, on a CPU those of the account.
  int64_t peak() const;

 private:
  c10::Device device_;
  std::shared_ptr<memory::Account> account_;
  std::optional<memory::AccountScope> charged_;  // on a CPU
  std::optional<double> fraction_before_;        // of the device's memory, where it was changed
};

}  // namespace latentsync::device
