#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

namespace latentsync {

using Lock = std::unique_lock<std::mutex>;

/// The one lock of an element's stream: it guards what has arrived (gst/input) and what the source
/// task is about to output (gst/output). Every thread that waits, waits on its condition. Shared
/// ownership, so that a callback of a clock may outlive the element.
///
/// Lock order, outermost first: a pad's stream lock; this one; those of the settings, of the
/// statistics and of the worker, which are never held together. No buffer, event, query or message
/// leaves the element while this lock is held.
class Monitor {
 public:
  std::mutex mutex;

  /// With the lock held: something changed, whoever waits looks again.
  void notify() {
    ++changes_;
    changed_.notify_all();
  }

  /// With the lock held; to be compared by wait(): a change in between is not missed, although the
  /// lock was given up.
  uint64_t changes() const { return changes_; }

  /// Waits for a change since SEEN.
  void wait(Lock& lock, uint64_t seen) {
    changed_.wait(lock, [&] { return changes_ != seen; });
  }
  /// The same, until TIME at the latest.
  template <typename Time>
  void wait_until(Lock& lock, uint64_t seen, Time time) {
    changed_.wait_until(lock, time, [&] { return changes_ != seen; });
  }
  /// Waits until CONDITION holds.
  template <typename Condition>
  void wait_for(Lock& lock, Condition condition) {
    changed_.wait(lock, condition);
  }

 private:
  std::condition_variable changed_;
  uint64_t changes_ = 0;
};

using MonitorPtr = std::shared_ptr<Monitor>;

}  // namespace latentsync
