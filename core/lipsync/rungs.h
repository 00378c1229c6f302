#pragma once

#include "core/lipsync/rung_choice.h"
#include "core/lipsync/shortages.h"
#include "core/memory_plan.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

namespace latentsync::lipsync {

/// A rung and its place in the plan's ladder.
struct RungInForce {
  size_t index = 0;
  Rung rung;
};

/// The plan of a session, whose rung follows the memory that there is. For several threads.
class Rungs {
 public:
  /// PLAN has at least one rung; where none of them fits, the last is in force. SHORTAGES are those
  /// of the model, which may be none yet; null: the session's own.
  explicit Rungs(MemoryPlan plan, std::shared_ptr<Shortages> shortages = {});

  /// Another plan from now on, as if it had been the first.
  void replace(MemoryPlan plan);

  RungInForce current() const;
  /// The plan with the rung in force as the chosen one.
  MemoryPlan plan() const;
  bool is_last() const;
  /// Whether there is room, beside a window that is rendered at the rung in force, for another one
  /// that is prepared: for its frames, and for the largest stage up to denoising.
  bool has_room_ahead() const;

  /// Memory ran out on the rung of number INDEX: the next one is in force from now on, or a lower
  /// one that already is. False where there is none below it.
  bool go_below(size_t index);
  /// For another session that has no memory: the next window is one rung lower, if there is one.
  void ask_to_go_lower();

  /// Before each window, with the bytes that the session may take now, weights included, where
  /// that changes by itself (next_choice()). A rung on which memory has run out needs more than
  /// there was, whatever the plan says.
  void begin_window(std::optional<int64_t> available);

 private:
  void set_plan(MemoryPlan plan);
  bool is_last_rung() const { return choice_.index + 1 == plan_.ladder.size(); }
  void go_lower();
  void add_shortage(size_t index, int64_t available);

  const std::shared_ptr<Shortages> shortages_;
  mutable std::mutex mutex_;
  MemoryPlan plan_;
  RungChoice choice_;
  // Where what is available changes by itself: the lowest rung on which memory has run out since
  // the last window.
  std::optional<size_t> ran_out_;
  std::optional<int64_t> available_;  // as the last window was told, if it was
  bool asked_ = false;
};

}  // namespace latentsync::lipsync
