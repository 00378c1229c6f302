#pragma once

#include <chrono>
#include <functional>
#include <gst/gst.h>
#include <string>
#include <utility>

namespace latentsync::transcode {

/// How far a clip is, on standard error: one line that changes on a terminal, else a line now and
/// then.
class Progress {
 public:
  /// EXPECTED: frames; 0: not known.
  Progress(std::string name, guint64 expected);

  /// What is done besides frames ("loading the model").
  void say(const std::string& text);
  /// The model is loaded: rates count from now on.
  void begin();
  /// Within a window that takes long: STAGE, how many of its STEPS are done (0: it has none), what
  /// PART of the window's FRAMES that makes, and for how many SECONDS it has been rendered. The
  /// time left is known as soon as one denoising step is done.
  void window(const std::string& stage, int step, int steps, double part, int frames,
              double seconds);
  /// A window has been made, or CACHED: taken from the cache. The time left counts by the others.
  void window_made(bool cached);
  /// FRAMES are made, which is this part of the whole.
  void update(guint64 frames, double part);
  /// A line of its own.
  void line(const std::string& text);
  /// LISTENER gets each line of its own from now on, too.
  void listen(std::function<void(const std::string&)> listener) { listener_ = std::move(listener); }
  void finish(guint64 frames);

  /// Frames a second since begin(), or, where the model was loaded already, since the first frames.
  double rate(guint64 frames) const;

 private:
  using Clock = std::chrono::steady_clock;
  /// What the time left is estimated from.
  struct Pace {
    Clock::time_point begin;
    double part = 0;
    guint64 frames = 0;
  };
  double seconds_since(Clock::time_point begin) const;
  void show(const std::string& text);

  std::string name_;
  std::function<void(const std::string&)> listener_;
  guint64 expected_;
  guint64 frames_ = 0;
  bool terminal_;
  guint64 first_frames_ = 0;
  Clock::time_point begun_;
  Clock::time_point first_;
  Clock::time_point shown_;
  Clock::time_point window_shown_;
  Pace pace_;
  bool pace_anew_ = false;
  bool denoised_ = false;  ///< something of the window in progress was
  guint64 windows_ = 0;
  guint64 cached_ = 0;
  size_t width_ = 0;
};

}  // namespace latentsync::transcode
