#pragma once

#include "gst/input/audio_levels.h"
#include "gst/input/input.h"
#include "gst/monitor.h"
#include "gst/output/clock_alarm.h"
#include "gst/output/late_control.h"
#include "gst/output/retry_pause.h"
#include "gst/output/timing.h"
#include "gst/render/worker.h"
#include "gst/reporter.h"
#include "gst/settings.h"

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

/// The source task of an element: takes what has arrived, has windows rendered, and outputs frames
/// and events in the order in which they came, live ones before their deadline.
namespace latentsync {

/// How long is waited for what does not arrive before something is done about it.
constexpr std::chrono::milliseconds kPatience{2000};

class Source {
 public:
  struct Pads {
    GstPad* video;
    GstPad* audio;
    GstPad* src;
  };
  Source(MonitorPtr monitor, Input& input, Reporter& reporter, GstElement* element, Pads pads)
      : monitor_(std::move(monitor)),
        input_(input),
        reporter_(reporter),
        element_(element),
        pads_(pads),
        alarm_(monitor_) {}

  struct Options {
    std::shared_ptr<Worker> worker;
    AudioContext context = AudioContext::kSliding;
    int64_t seed = 0;
    LatePolicy late_policy = LatePolicy::kDegrade;  ///< until the first window
    int64_t render_latency = 0;
    /// The properties for a window that begins at this stream time. Called with no lock held.
    std::function<Settings(GstClockTime)> settings;
  };

  /// One turn of the task: does one thing, or waits until there may be something to do.
  void turn();

  // All others: with the Monitor's lock held.

  /// Before the task runs.
  void start(Options options);
  /// Has turn() return, and keeps it from doing anything.
  void stop();
  /// After the task has ended: forgets all that it holds.
  void reset();

  void flush();   ///< of the video: with the input's begin_flush()
  void resume();  ///< after a flush; also after an end

  /// Waits until all that has arrived so far has left, rendered with the audio that is there.
  void drain(Lock& lock);
  /// Waits until the events that no frame is in front of have left.
  void let_events_out(Lock& lock);

  /// While ON no window is begun: a seek is on its way to both sources.
  void set_seeking(bool on);

  Timing& timing() { return timing_; }
  const Timing& timing() const { return timing_; }
  bool live() const { return timing_.live(); }
  /// What the element adds to the latency, from the window, the look-ahead and what is reserved for
  /// rendering. False where that is no news.
  bool update_latency();
  /// Frames that the element holds at most.
  int most_held() const;
  /// Frames that have been taken and not output.
  int held() const { return held_; }
  /// The last frame that has been output: its running times, and when that was by the clock (0:
  /// without one).
  struct Left {
    int64_t begin_ns = 0;
    int64_t end_ns = 0;
    GstClockTime at = 0;
  };
  const std::optional<Left>& left() const { return left_; }
  /// What downstream returned last.
  GstFlowReturn flow() const { return flow_; }
  /// Downstream has been linked anew.
  void relinked();
  /// EOS has been output.
  bool ended() const { return ended_; }
  bool stopping() const { return stopping_; }

 private:
  using Time = std::chrono::steady_clock::time_point;

  /// A window that the worker has.
  struct Flight {
    uint64_t index = 0;
    FrameGroup group;  ///< its events, and frames without buffers
    std::shared_ptr<SpareBuffers> spare;
    NoFace no_face = NoFace::kPassThrough;
    bool no_fallback = false;
    LateControl::Window window;
    int64_t steps = 0;
    bool fades_out = false;
    GstClockTime begun = GST_CLOCK_TIME_NONE;  ///< by the clock; none where nothing is due
    bool in_time = true;                       ///< no frame had to leave before it
    bool late = false;       ///< a frame was due while its pixels were being written
    bool next_seen = false;  ///< whether the window after it is prepared has been decided
  };
  struct Leaving {
    Item item;
    bool late = false;
  };

  // source.cpp
  bool begin_window(Lock& lock, bool as_it_is);
  bool is_ready(bool as_it_is);
  FrameGroup* placed_window();
  void submit(const Settings& settings, const LateControl::Window& window, int64_t steps);
  bool take_outcome(Lock& lock);
  bool post_outcome(Lock& lock, const Outcome& outcome);
  void land(Lock& lock, Outcome outcome);
  bool take_event();
  void wait(Lock& lock, uint64_t seen);
  void leave(FrameGroup group, bool late);
  void leave(std::vector<Item> items, bool late);

  // preparing.cpp
  FrameGroup* next_window();
  bool prepare_next(Lock& lock);

  // sending.cpp
  bool send_next(Lock& lock);
  bool holds_end_back();
  bool waits_for_cache();
  void send_event(Lock& lock, EventPtr event);
  void send_frame(Lock& lock, Frame frame, bool late);
  void end_after_failure(Lock& lock);
  Lateness lateness(const Frame& frame) const;

  // deadlines.cpp
  std::optional<GstClockTime> next_deadline() const;
  std::optional<int64_t> steady_deadline(const FrameGroup& group) const;
  bool meet_deadline(Lock& lock);
  void pass_due_frame(GstClockTime now);
  bool is_late(const Frame& frame) const;

  // late_policy.cpp
  LateControl::Window late_window(const Settings& settings) const;
  QualityChange quality_change(const Frame& first, const LateControl::Window& window,
                               int64_t takes_ns, int64_t steps) const;
  std::optional<int64_t> choose_steps(Lock& lock, const Settings& settings,
                                      const LateControl::Window& window);
  bool apply_fade_out(const LateControl::Window& window, int64_t steps, Job& job) const;
  bool tolerates(const Outcome& outcome) const;
  void rest_after(Lock& lock, const Outcome& outcome, const QualityChange& passes);
  void measure(Lock& lock, const Flight& flight, const Outcome& outcome);

  // silence.cpp
  bool apply_silence(const Settings& settings, Job& job);

  // patience.cpp
  enum class Need { kNothing, kLink, kAudio, kVideo };
  Need need() const;
  const GstPad* unlinked() const;
  bool watch(Lock& lock);
  bool look_later(std::chrono::milliseconds limit);
  bool go_on_without_video(Lock& lock);
  bool go_on_starving(Lock& lock, Need need);
  void give_up_whole(Lock& lock, const char* why);

  const MonitorPtr monitor_;
  Input& input_;
  Reporter& reporter_;
  GstElement* const element_;
  const Pads pads_;

  Options options_;
  Timing timing_;
  ClockAlarm alarm_;
  AudioContext context_ = AudioContext::kSliding;
  LateControl late_;
  RetryPause retry_;
  AudioLevels levels_;     ///< of the audio of the window that was begun last, or of the whole
  size_t faded_ = kFadeFrames;  ///< as SpareBuffers has it; 0 after frames that could not be edited
  bool left_out_ = false;  ///< the window before was not rendered, because it is silent
  LatePolicy late_policy_ = LatePolicy::kDegrade;  ///< of the window that was begun last
  int quality_ = kFullQuality;                     ///< that was posted last
  std::deque<Leaving> leaving_;
  std::optional<Flight> flight_;
  int held_ = 0;
  uint64_t windows_ = 0;
  double proportion_ = 1;  ///< the last window's rendering time to its duration
  uint64_t epoch_ = 0;     ///< counts flushes: what was taken before one is not output after it
  std::optional<Left> left_;
  GstFlowReturn flow_ = GST_FLOW_OK;
  bool stopping_ = true;
  bool seeking_ = false;
  bool draining_ = false;
  bool sending_ = false;  ///< an event, with the lock given up
  bool ended_ = false;
  bool reopen_ = false;  ///< the worker's session has another audio context

  std::optional<Time> end_due_;  ///< when an EOS that is held back leaves
  /// Until when it waits for the files of the windows before it.
  std::optional<Time> cache_due_;
  uint64_t kept_windows_ = 0;     ///< that the result cache had when it was last waited for
  std::optional<Time> patience_;  ///< when watch() does something
  uint64_t arrivals_ = 0;         ///< when it was set
  bool starving_ = false;         ///< the graph has been found to starve itself
};

/// Gives a lock up for as long as it lives.
class Unlocked {
 public:
  explicit Unlocked(Lock& lock) : lock_(lock) { lock_.unlock(); }
  ~Unlocked() { lock_.lock(); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  Lock& lock_;
};

}  // namespace latentsync
