#pragma once

#include "core/device/executor.h"
#include "core/device/memory.h"
#include "core/engine.h"
#include "core/lipsync/device_sessions.h"
#include "core/lipsync/rungs.h"
#include "core/lipsync/shortages.h"
#include "core/memory/account.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include <c10/core/Device.h>

namespace latentsync::lipsync {

/// What a session is given by its plan.
struct SessionMemory {
  MemoryPlan plan;            ///< at least one rung
  int64_t account_limit = 0;  ///< on a CPU: bytes of the session's tensors, without the weights;
                              ///< 0: none
  /// Bytes that the session may take now, weights included; empty where that does not change by
  /// itself. Asked before each window.
  std::function<int64_t()> available = {};
  std::shared_ptr<Shortages> shortages = {};  ///< of the model; null: the session's own
  /// That PLAN is made for, as planned_settings() has them.
  RenderSettings settings = {};
  /// The plan for windows with such settings; empty where PLAN holds for all.
  std::function<MemoryPlan(const RenderSettings&)> plan_for = {};
};

/// What a session has of its device: turns, memory, and the rung that its windows are rendered at.
class DeviceShare {
 public:
  DeviceShare(c10::Device device, SessionMemory memory);

  /// A window's time on the device, begun by render() or prepare().
  class WindowScope {
   public:
    /// A window that is rendered may change the rung; one that is prepared takes it as it is.
    WindowScope(DeviceShare& share, bool may_change_rung);
    WindowScope(const WindowScope&) = delete;
    WindowScope& operator=(const WindowScope&) = delete;
    ~WindowScope();

   private:
    DeviceShare& share_;
  };

  device::Executor& executor() { return executor_; }
  device::Client& client() { return client_; }
  const device::Client& client() const { return client_; }
  Rungs& rungs() { return rungs_; }
  const Rungs& rungs() const { return rungs_; }
  /// Tensors in system memory.
  const std::shared_ptr<memory::Account>& account() const { return account_; }
  /// For a task: what it allocates is the session's, and limited where the settings say how much
  /// that may be.
  device::BudgetScope budget() const { return {executor_.device(), account_, headroom_}; }
  /// The session among others of the device.
  DeviceSessions::Member& among_others() { return member_; }

  /// Whether the plan in force has room for a window with these settings, as planned_settings() has
  /// them.
  bool is_planned_for(const RenderSettings& settings) const;
  /// Plans anew where it is not. Errors: kOutOfMemory where nothing fits; then the plan stays.
  void plan_for(const RenderSettings& settings);

  /// Bytes that the device held at most since the last reset: on a CPU the session's tensors
  /// without the weights, else all that this process has on it.
  int64_t memory_peak() const;
  void reset_memory_peak();

 private:
  device::Executor& executor_;
  device::Client client_;
  std::atomic<int64_t> headroom_;  // bytes of an accelerator for a task; 0: no limit
  Rungs rungs_;
  std::shared_ptr<memory::Account> account_;
  const std::function<int64_t()> available_;
  const std::function<MemoryPlan(const RenderSettings&)> plan_for_;
  mutable std::mutex settings_mutex_;
  RenderSettings settings_;  // that the plan is made for
  DeviceSessions::Member member_;
};

}  // namespace latentsync::lipsync
