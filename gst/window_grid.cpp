#include "gst/window_grid.h"

#include <cmath>

namespace latentsync {
namespace {

int64_t floor_divide(int64_t value, int64_t divisor) {
  return value / divisor - (value % divisor < 0 ? 1 : 0);
}

}  // namespace

void WindowGrid::set_rate(int numerator, int denominator) {
  numerator_ = denominator > 0 && numerator > 0 ? numerator : 0;
  denominator_ = denominator > 0 ? denominator : 1;
  restart();
}

void WindowGrid::restart() {
  number_ = -1;
  count_ = 0;
}

WindowGrid::Place WindowGrid::place(int64_t stream_time_ns) {
  if (numerator_ > 0) {
    // long double: a day in nanoseconds times the rate's numerator stays exact enough to round.
    number_ =
        std::llround(static_cast<long double>(stream_time_ns) * numerator_ / (1e9L * denominator_));
  } else {
    ++number_;
  }
  const int64_t window = floor_divide(number_, frames_);
  const bool begins = count_ == 0 || window != window_ || count_ == frames_;
  window_ = window;
  count_ = begins ? 1 : count_ + 1;
  const bool ends = count_ == frames_ || number_ - window * frames_ == frames_ - 1;
  if (ends) count_ = 0;
  return {begins, ends, number_};
}

}  // namespace latentsync
