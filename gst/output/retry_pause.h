#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

namespace latentsync {

/// How long nothing is rendered after a failure, in nanoseconds of a clock: 1 s at first, twice as
/// long after each further one, 30 s at most.
class RetryPause {
 public:
  /// NOW: none without a clock; it is tried again at once then.
  void failed(std::optional<int64_t> now) {
    pause_ = pause_ == 0 ? kFirst : std::min(2 * pause_, kLongest);
    until_ = now ? std::optional(*now + pause_) : std::nullopt;
  }
  void succeeded() { *this = {}; }
  bool holds(int64_t now) const { return until_ && now < *until_; }

 private:
  static constexpr int64_t kFirst = 1'000'000'000;
  static constexpr int64_t kLongest = 30'000'000'000;

  int64_t pause_ = 0;
  std::optional<int64_t> until_;
};

}  // namespace latentsync
