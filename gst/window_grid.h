#pragma once

#include <cstdint>

/// Where windows begin and end. It depends on the frames' places alone, never on when they come.
namespace latentsync {

/// At a constant frame rate window k holds the frames whose number (stream time × rate, rounded) is
/// in [k·n, (k+1)·n), so that a stream entered in the middle has the same windows from the next
/// multiple on. Otherwise frames are counted from the last restart(). No window holds more than n.
class WindowGrid {
 public:
  explicit WindowGrid(int frames = 16) : frames_(frames) {}

  struct Place {
    bool begins;     ///< the frame belongs to another window than the one before it
    bool ends;       ///< no further frame can belong to its window
    int64_t number;  ///< absolute at a constant rate, otherwise since restart()
  };

  /// A rate of 0 is a variable one.
  void set_rate(int numerator, int denominator);

  /// The next frame begins a window, and counting.
  void restart();

  /// The next frame, in order.
  Place place(int64_t stream_time_ns);

 private:
  int frames_;
  int numerator_ = 0;
  int denominator_ = 1;
  int64_t number_ = -1;
  int64_t window_ = 0;  ///< of the frame before
  int count_ = 0;       ///< frames in it; 0: the next frame begins one
};

}  // namespace latentsync
