#pragma once

#include "core/face/follow.h"
#include "core/lipsync/prepare.h"
#include "core/lipsync/window_key.h"

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>

namespace latentsync::lipsync {

/// A session's windows, one after the other: each enters with the state that the one before has
/// left. One thread renders a window while another prepares the next one, whose preparation is
/// taken only if the window before was rendered to its end. Every state has a number of its own, by
/// which that is known.
class WindowChain {
 public:
  struct State {
    face::FollowState follow;
    uint64_t number = 0;
  };

  /// A window that is being rendered; one at a time. Where it is not committed, the session's state
  /// is what it was.
  class Rendering {
   public:
    Rendering(WindowChain& chain, WindowKey key);
    Rendering(const Rendering&) = delete;
    Rendering& operator=(const Rendering&) = delete;
    ~Rendering();

    /// What was prepared of this window, if it enters with the session's state; waits where that is
    /// being done. Errors: kCancelled.
    std::optional<Prepared> take(const std::stop_token& stop);
    /// The state that the window enters with.
    const face::FollowState& entering() const { return entering_.follow; }
    /// The next window may be prepared with the state that this one will leave.
    void leave(const face::FollowState& follow);
    /// What was left is the session's state. Nothing fails.
    void commit() noexcept;

   private:
    friend class WindowChain;
    WindowChain& chain_;
    State entering_;
    WindowKey key_;
  };

  /// For the thread that prepares: what was prepared before is not kept any longer.
  void drop_prepared() noexcept;
  /// For the thread that prepares: the state that the window of KEY will enter with, as soon as it
  /// is known. None where that very window is being rendered already. Errors: kCancelled.
  std::optional<State> begin_preparing(const WindowKey& key, const std::stop_token& stop);
  /// Its end; PREPARED is kept, and what was kept before is not. None where it failed.
  void end_preparing(uint64_t entering, std::optional<Prepared> prepared) noexcept;

 private:
  struct Ahead {
    WindowKey key;
    uint64_t entering = 0;
    Prepared prepared;
  };

  /// With the mutex held: no window is being rendered any more.
  void finish() noexcept;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  State state_;           // after the last window that was committed
  uint64_t numbers_ = 0;  // that were given away
  const Rendering* rendering_ = nullptr;
  std::optional<State> leaving_;  // of the window that is being rendered
  std::optional<WindowKey> preparing_;
  std::optional<Ahead> ahead_;
};

}  // namespace latentsync::lipsync
