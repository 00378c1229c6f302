#pragma once

#include "core/device/stage_clock.h"
#include "core/lipsync/device.h"
#include "core/lipsync/device_share.h"
#include "core/lipsync/failure.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <c10/core/InferenceMode.h>

namespace latentsync::lipsync {

/// A window's work on its model's device: task by task in turns with other sessions, and again one
/// rung lower where the device's memory runs out. For one thread at a time.
class DeviceWork {
 public:
  /// SHARE must outlive this object. DEADLINE_NS is the window's (core/engine.h). STOP gives up
  /// waiting for a turn.
  DeviceWork(DeviceShare& share, std::optional<int64_t> deadline_ns, std::stop_token stop)
      : share_(share),
        options_{.client = &share.client(), .deadline_ns = deadline_ns, .stop = std::move(stop)},
        clock_(share.executor().device()) {}

  /// WORK's result, when it has had its turn and the device has done it: the host waits. On the
  /// executor's thread, in inference mode. collect() adds its time to SECONDS, which must live
  /// until then. Errors: kCancelled, those of WORK.
  template <typename Work>
  auto task(double& seconds, Work&& work) const -> std::invoke_result_t<Work&> {
    return run(/*wait=*/true, seconds, work);
  }

  /// WORK's turn likewise, but only until its kernels are launched: what it returns may be used by
  /// later tasks alone, and memory of the host that they read or write when wait() has returned.
  template <typename Work>
  auto launch(double& seconds, Work&& work) const -> std::invoke_result_t<Work&> {
    return run(/*wait=*/false, seconds, work);
  }

  /// The same without a time.
  template <typename Work>
  auto launch(Work&& work) const -> std::invoke_result_t<Work&> {
    return share_.executor().run(options(/*wait=*/false), [&] {
      const auto scope = share_.budget();
      return work();
    });
  }

  /// Returns when the device has done all that was launched. Errors: kCancelled, what the device
  /// reports.
  void wait() const {
    share_.executor().run(options(/*wait=*/true), [] {});
  }

  /// Adds the times of all work so far, which the device must be waited for where it is not done.
  /// Errors: what the device reports.
  void collect() const { clock_.collect(); }

  /// The result of WORK that the device has no part in, without a turn; in inference mode.
  template <typename Work>
  auto beside(double& seconds, Work&& work) const -> std::invoke_result_t<Work&> {
    const c10::InferenceMode inference;
    const memory::AccountScope scope(share_.account());
    const auto begin = Clock::now();
    auto result = work();
    seconds += since(begin);
    return result;
  }

  /// WORK(rung)'s result at the rung in force. Where the device's memory runs out in it, everything
  /// that WORK made is gone before it is called again, with the next rung, which stays in force.
  /// On the last rung other sessions of the device are asked to make room, where it is not the
  /// session's own budget that is used up. Errors: those of WORK;
  /// kOutOfMemory where no rung is left.
  template <typename Work>
  auto at_rung(Work&& work) const {
    for (;;) {
      const auto in_force = share_.rungs().current();
      const int64_t shortages = memory_shortages();
      DeviceFailure failed;
      try {
        return work(in_force.rung);
      } catch (...) {
        // The exception holds tensors: all else is done when it is gone.
        failed = current_device_failure(share_.executor().device(), shortages);
      }
      recover(in_force.index, failed);
    }
  }

 private:
  device::TaskOptions options(bool wait) const {
    auto options = options_;
    options.wait = wait;
    return options;
  }

  template <typename Work>
  auto run(bool wait, double& seconds, Work& work) const -> std::invoke_result_t<Work&> {
    return share_.executor().run(options(wait), [&] {
      const auto scope = share_.budget();
      return clock_.timed(seconds, work);
    });
  }

  /// Makes room for another attempt, or throws FAILED.
  void recover(size_t index, const DeviceFailure& failed) const;

  using Clock = std::chrono::steady_clock;
  static double since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  DeviceShare& share_;
  device::TaskOptions options_;
  mutable device::StageClock clock_;  // for the executor in a task, for the caller between tasks
};

}  // namespace latentsync::lipsync
