#pragma once

#include "core/memory/account.h"

#include <cstdint>
#include <memory>
#include <optional>

#include <c10/core/Device.h>

/// Memory of a device while work is done on it.
namespace latentsync::device {

/// While it lives, what this thread allocates on DEVICE is limited. On a CPU, tensors are charged
/// to ACCOUNT, whose limit holds. On CUDA the process's allocator refuses to take more than
/// HEADROOM bytes beside the tensors that are alive on the device when the scope begins; unused
/// blocks are given back before it does. One scope a device at a time, as an executor's tasks have
/// it.
class BudgetScope {
 public:
  /// headroom: 0: no limit. Errors: what the device reports.
  BudgetScope(c10::Device device, std::shared_ptr<memory::Account> account, int64_t headroom);
  BudgetScope(const BudgetScope&) = delete;
  BudgetScope& operator=(const BudgetScope&) = delete;
  ~BudgetScope();

 private:
  c10::Device device_;
  std::optional<memory::AccountScope> charged_;  // on a CPU
  std::optional<double> fraction_before_;        // of the device's memory, where it was changed
};

}  // namespace latentsync::device
