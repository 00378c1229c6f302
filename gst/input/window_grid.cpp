#include "gst/input/window_grid.h"

#include <algorithm>
#include <cmath>

namespace latentsync {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kShortestFrame = kSecond / 1000;
constexpr int64_t kLongestFrame = kSecond;
constexpr int64_t kUsualFrame = kSecond / 25;

int64_t floor_divide(int64_t value, int64_t divisor) {
  return value / divisor - (value % divisor < 0 ? 1 : 0);
}

}  // namespace

void RateCheck::set_rate(int numerator, int denominator) {
  *this = RateCheck();
  if (numerator <= 0 || denominator <= 0) return;
  numerator_ = numerator;
  denominator_ = denominator;
  settled_ = false;
  real_ = true;
}

void RateCheck::observe(int64_t stream_time_ns) {
  if (!declared()) return;
  const int64_t now = number(stream_time_ns);
  const bool first = last_ == kNone;
  const int64_t step = first ? 0 : now - last_;
  const int64_t step_ns = stream_time_ns - last_ns_;
  last_ = now;
  last_ns_ = stream_time_ns;
  if (first) return;
  ++steps_;
  // Times that do not ascend say nothing about the rate.
  if (step > 0) {
    wide_ = step > 1 ? wide_ + 1 : 0;
    narrow_ = step > 1 ? 0 : narrow_ + 1;
    if (step > 1) observed_ns_ = step_ns;
  }
  if (!settled_) {
    if (steps_ >= kSteps) settle();
  } else if (real_ ? wide_ >= kStreak : narrow_ >= kStreak) {
    real_ = !real_;
  }
}

void RateCheck::settle() {
  if (settled_) return;
  settled_ = true;
  // A single step may be a hole.
  real_ = steps_ < 2 || wide_ < steps_;
}

int64_t RateCheck::number(int64_t stream_time_ns) const {
  // long double: a day in nanoseconds times the rate's numerator stays exact enough to round.
  return std::llround(static_cast<long double>(stream_time_ns) * numerator_ /
                      (1e9L * denominator_));
}

int64_t RateCheck::duration(int count) const {
  if (!declared()) return count * kUsualFrame;
  if (!real_) return count * std::clamp(observed_ns_, kShortestFrame, kLongestFrame);
  const auto exact =
      static_cast<int64_t>(static_cast<long double>(kSecond) * count * denominator_ / numerator_);
  return std::clamp(exact, count * kShortestFrame, count * kLongestFrame);
}

void WindowGrid::restart() {
  counted_ = -1;
  count_ = 0;
}

WindowGrid::Place WindowGrid::place(int64_t number) {
  counted_ = number;
  const int64_t window = floor_divide(number, frames_);
  const bool begins = count_ == 0 || window != window_ || count_ == frames_;
  window_ = window;
  count_ = begins ? 1 : count_ + 1;
  const bool ends = count_ == frames_ || number - window * frames_ == frames_ - 1;
  if (ends) count_ = 0;
  return {begins, ends};
}

}  // namespace latentsync
