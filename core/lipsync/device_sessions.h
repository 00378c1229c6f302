#pragma once

#include "core/lipsync/rungs.h"

#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <stop_token>

#include <c10/core/Device.h>

namespace latentsync::lipsync {

/// The sessions of a device, of whatever model: who cannot go lower asks the others to, before it
/// fails. For several threads.
class DeviceSessions {
 public:
  /// DEVICE's, for the life of the process, as the device is the process's.
  static DeviceSessions& of(c10::Device device);

  /// One of them, while it lives.
  class Member {
   public:
    /// RUNGS must outlive this object.
    Member(DeviceSessions& sessions, Rungs& rungs);
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;
    ~Member();

    /// Between these two it holds what a window needs; they may be nested.
    void begin_window();
    void end_window() noexcept;

    /// Asks the others to go one rung down at their next window, and waits until one of those that
    /// are in a window and can go lower has ended it. False where there is none to wait for: the
    /// others are idle, on their last rung, or wait here themselves. Errors: kCancelled.
    bool wait_for_room(const std::stop_token& stop);

   private:
    friend class DeviceSessions;
    bool can_make_room() const { return windows_ > 0 && !waiting_ && !rungs_.is_last(); }

    DeviceSessions& sessions_;
    Rungs& rungs_;
    std::list<Member*>::iterator place_;
    int windows_ = 0;
    bool waiting_ = false;
  };

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::list<Member*> members_;
  uint64_t ended_ = 0;  // windows, and sessions
};

}  // namespace latentsync::lipsync
