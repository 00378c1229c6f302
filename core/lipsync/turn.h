#pragma once

#include <condition_variable>
#include <list>
#include <mutex>
#include <stop_token>

namespace latentsync::lipsync {

/// A lock that is given in the order in which it was asked for, and whose wait can be given up.
class Turn {
 public:
  /// Held until it is destroyed.
  class Hold {
   public:
    Hold(Hold&& other) noexcept;
    Hold& operator=(Hold&&) = delete;
    ~Hold();

   private:
    friend class Turn;
    using Waiter = std::list<char>::iterator;
    Hold(Turn& turn, Waiter waiter) : turn_(&turn), waiter_(waiter) {}

    Turn* turn_;
    Waiter waiter_;
  };

  /// Waits for it. Errors: kCancelled when STOP comes first.
  Hold take(std::stop_token stop);

 private:
  void leave(std::list<char>::iterator waiter);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::list<char> waiting_;  // the holder first
};

}  // namespace latentsync::lipsync
