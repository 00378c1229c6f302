#pragma once

#include "gst/settings.h"

#include <cstdint>
#include <deque>
#include <vector>

namespace latentsync {

/// A live graph's way to keep its latency: from what windows took it chooses how many denoising
/// steps the next one gets, or that it is not begun, so that the one after it has more time; and
/// how much time is reserved for rendering. Pure; all times are nanoseconds of the graph's clock.
///
/// late-policy=degrade goes through levels: the wanted steps, half of them, four, and back up by
/// one level after kWindowsInTime windows in time. Where no level is fast enough, and with
/// pass-through, windows are left out instead: the time reserved grows to two windows then, so that
/// an engine a tenth too slow makes ten windows of eleven, and one twice too slow every second one.
class LateControl {
 public:
  static constexpr int kWindowsInTime = 10;

  /// RENDER_LATENCY: the time that is reserved, or 0: measured. Forgets everything.
  void start(int64_t render_latency);
  /// What is rendered next is no measure: a new session warms up.
  void skip_next() { skip_ = true; }

  /// The window that may be begun.
  struct Window {
    LatePolicy policy = LatePolicy::kDegrade;
    int64_t wanted_steps = 1;
    int64_t full_ns = 1;   ///< the duration of a full window
    int64_t frame_ns = 1;  ///< of a frame
    double part = 1;       ///< of a full window's frames
    int64_t left_ns = 0;   ///< until its first frame is due; may be negative
  };
  struct Choice {
    int64_t steps = 0;        ///< 0: it is not begun
    int64_t wanted_ns = 0;    ///< what it would take with the wanted steps; 0: unknown
    int64_t there_is_ns = 0;  ///< the time there is for it
  };
  Choice choose(const Window& window);

  struct Measure {
    int64_t steps = 1;
    int64_t took_ns = 0;
    double step_share = kStepShare;  ///< part of it that grows with the steps, 0 to 1
    double part = 1;                 ///< as Window has it
  };
  /// WINDOW has been rendered. IN_TIME: before its first frame was due.
  void rendered(const Window& window, const Measure& measure, bool in_time);
  /// It was given up after this long: it would have taken longer.
  void given_up(const Window& window, int64_t steps, int64_t took_ns);

  /// The time reserved for rendering a window that lasts FULL_NS. Where it is measured: the 95th
  /// percentile of what windows took, at least half a window, and never less than before.
  int64_t reserve(int64_t full_ns) const;

  /// What that part of a full window is expected to take: the median of the last three; of fewer
  /// the longest; 0: unknown. A shorter one takes less time, and a longer one, until that has been
  /// measured, as much: how much of it grows with the frames is unknown, and a window too many that
  /// is begun does less harm than all that are not.
  int64_t predict(int64_t steps, double part) const;

  /// Descending: the wanted steps, half of them, four.
  static std::vector<int64_t> levels(int64_t wanted_steps);

 private:
  /// Assumed before anything was measured.
  static constexpr double kStepShare = 0.8;

  void add(const Window& window, Measure measure);
  void raise_reserve(const Window& window);
  Choice pass_or(size_t level, const Window& window, const std::vector<int64_t>& levels,
                 Choice choice);

  int64_t render_latency_ = 0;
  int64_t reserve_ = 0;       ///< measured so far
  std::deque<Measure> last_;  ///< the last three
  std::deque<int64_t> took_;  ///< the last ones, for the percentile
  size_t level_ = 0;
  int in_time_ = 0;  ///< windows in a row
  int passed_ = 0;   ///< windows in a row
  bool skip_ = true;
};

}  // namespace latentsync
