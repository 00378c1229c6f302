#pragma once

#include "tests/gst/rig.h"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

/// A live graph in simulated time: a camera, a microphone, a test clock, and an engine whose
/// windows take as long as a function of that time says. The clock moves from one thing that
/// happens to the next, and not before the element has nothing left to do; so nothing depends on
/// how fast or how loaded the machine is.
namespace latentsync::test {

/// Follows the source task by its log lines (GST_DEBUG=latentsync:6) while it lives.
class TaskWatch {
 public:
  TaskWatch();
  ~TaskWatch();
  TaskWatch(const TaskWatch&) = delete;
  TaskWatch& operator=(const TaskWatch&) = delete;

  struct State {
    uint64_t waits = 0;     ///< times that it had nothing to do
    uint64_t arrivals = 0;  ///< when it waited last
    uint64_t begun = 0;     ///< windows, likewise
    uint64_t ended = 0;     ///< of those that came back
    uint64_t given_up = 0;  ///< of those, which nobody wanted any more
  };
  State state();
  /// Waits until CONDITION holds of the state that it waits in; fails the test where it never does.
  void wait_until(const std::function<bool(const State&)>& condition);
  /// What a condition looks at besides has changed.
  void look_again();

 private:
  static void line(GstDebugCategory* category, GstDebugLevel level, const gchar* file,
                   const gchar* function, gint number, GObject* object, GstDebugMessage* message,
                   gpointer data);

  std::mutex mutex_;
  std::condition_variable changed_;
  State waiting_;  ///< when it waited last
  State now_;
};

class Simulation {
 public:
  struct Options {
    int frames_per_second = 5;
    Properties properties;
    int64_t steps = 20;  ///< the model's own
    /// What a window of so many frames takes with so many steps, from NOW on; nanoseconds. And the
    /// part of it that grows with the steps.
    std::function<int64_t(int64_t steps, size_t frames, GstClockTime now)> cost;
    double step_share = 0.8;
  };
  explicit Simulation(Options options);
  ~Simulation();

  bool video_on = true;
  bool audio_on = true;

  /// Until all frames of DURATION more have arrived.
  void run(GstClockTime duration);

  /// Of all frames that have left so far.
  struct Counts {
    uint64_t frames = 0;
    uint64_t edited = 0;
    uint64_t late = 0;        ///< after their time
    uint64_t untold = 0;      ///< late, or passed, and no QoS message says so
    uint64_t edges = 0;       ///< between an edited and a passed frame
    uint64_t jumps = 0;  ///< from one frame to the next, by more than half of the strongest edit
    uint64_t disordered = 0;  ///< does not follow the frame before
    std::set<int> qualities;  ///< of QoS messages about a change
    uint64_t changes = 0;     ///< of these messages
    uint64_t latency_posted = 0;
    std::map<int64_t, uint64_t> windows;  ///< begun, by their steps
    std::set<std::string> warnings;       ///< sentences
    uint64_t warned = 0;
    uint64_t errors = 0;
  };
  const Counts& counts() const { return counts_; }
  /// From here on.
  void forget_counts() { counts_ = {}; }

  GstClockTime latency() const { return latency_; }
  GstClockTime now() const { return now_; }
  GstClockTime window() const;
  Rig& rig() { return rig_; }

 private:
  void arrive();
  void settle(uint64_t more_waits);
  void step(GstClockTime until);
  void move_clock(GstClockTime time);
  void read_messages();
  void take_frames();
  std::optional<StageSeconds> spend(int64_t steps, size_t frames, const std::stop_token& stop);
  std::optional<GstClockTime> alarm() const;

  const Options options_;
  const GstClockTime frame_;
  TaskWatch watch_;
  Rig rig_;
  GstClockTime now_ = 0;
  GstClockTime latency_ = 0;
  uint64_t next_frame_ = 0;  ///< that arrives
  uint64_t next_out_ = 0;
  uint64_t arrivals_ = 0;
  std::map<GstClockTime, int> quality_;  ///< by the timestamp from which on it holds
  double strength_ = 0;                  ///< of the edit of the frame before
  double strongest_ = 0;                 ///< of any
  std::map<GstClockTime, int> told_;     ///< QoS messages of single frames, by timestamp
  Counts counts_;

  // Of the engine's thread, too.
  std::mutex mutex_;
  std::condition_variable_any changed_;
  uint64_t begun_ = 0;     ///< windows that the engine has begun
  uint64_t released_ = 0;  ///< that it may end
  std::optional<GstClockTime> ends_at_;
};

}  // namespace latentsync::test
