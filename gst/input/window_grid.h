#pragma once

#include <cstdint>

/// Where windows begin and end. It depends on the frames' times alone, never on when they arrive.
namespace latentsync {

/// Whether a declared frame rate is the real one. Containers and cameras declare the resolution of
/// their clock (1000/1, 90000/1) or twice the rate (50/1 for 25): frame numbers at such a rate are
/// not consecutive.
class RateCheck {
 public:
  /// After so many frame-to-frame steps a new rate is believed or not: no more than frames can be
  /// held while it is not known.
  static constexpr int kSteps = 3;
  /// After so many steps in a row that say otherwise, the opinion changes.
  static constexpr int kStreak = 16;

  /// Numerator 0: a variable rate.
  void set_rate(int numerator, int denominator);
  bool declared() const { return numerator_ > 0; }

  /// The next frame; not across a discontinuity, which restart() announces.
  void observe(int64_t stream_time_ns);
  void restart() { last_ = kNone; }

  /// False while too few frames of a newly declared rate have been seen.
  bool settled() const { return settled_; }
  /// No more frames will be seen before somebody has to know.
  void settle();
  /// The frames' numbers at the declared rate are consecutive.
  bool real() const { return real_; }

  /// The frame's number at the declared rate.
  int64_t number(int64_t stream_time_ns) const;
  /// The duration of COUNT frames, between 1 ms and 1 s each; 40 ms where the rate is variable.
  int64_t duration(int count) const;

 private:
  static constexpr int64_t kNone = INT64_MIN;
  int numerator_ = 0;
  int denominator_ = 1;
  int64_t last_ = kNone;     ///< number of the frame before
  int64_t last_ns_ = 0;      ///< its time
  int64_t observed_ns_ = 0;  ///< from frame to frame, as of the last wide step
  int steps_ = 0;
  int wide_ = 0;    ///< consecutive steps by more than one
  int narrow_ = 0;  ///< consecutive steps by one
  bool settled_ = true;
  bool real_ = false;
};

/// At a real constant frame rate window k holds the frames whose number (stream time × rate,
/// rounded) is in [k·n, (k+1)·n), so that a stream entered in the middle has the same windows from
/// the next multiple on. Otherwise frames are counted from the last restart(). No window holds more
/// than n.
class WindowGrid {
 public:
  explicit WindowGrid(int frames = 16) : frames_(frames) {}

  struct Place {
    bool begins;  ///< the frame belongs to another window than the one before it
    bool ends;    ///< no further frame can belong to its window
  };

  /// The next frame begins a window, and counting.
  void restart();

  /// The next frame, in order, by its number at the frame rate; or by count.
  Place place(int64_t number);
  Place place_by_count() { return place(counted_ + 1); }

  int frames() const { return frames_; }

 private:
  int frames_;
  int64_t counted_ = -1;  ///< number of the frame before
  int64_t window_ = 0;    ///< of the frame before
  int count_ = 0;         ///< frames in it; 0: the next frame begins one
};

}  // namespace latentsync
