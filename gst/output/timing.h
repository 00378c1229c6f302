#pragma once

#include "gst/handles.h"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace latentsync {

/// When frames have to leave: liveness, latency and clock. Guarded by the Monitor.
class Timing {
 public:
  /// What upstream answered to a LATENCY query. False where that is no news.
  bool set_upstream(bool live, GstClockTime latency) {
    if (live == live_ && latency == upstream_) return false;
    live_ = live;
    upstream_ = latency;
    return true;
  }
  /// What the element itself adds. False where that is no news.
  bool set_own(GstClockTime latency) {
    if (latency == own_) return false;
    own_ = latency;
    return true;
  }
  GstClockTime own() const { return own_; }
  /// From a buffer's time to when it is due.
  GstClockTime latency() const { return upstream_ + own_; }
  bool live() const { return live_; }

  /// PLAYING, with this clock and base time. No frame is due in any other state.
  void play(ClockPtr clock, GstClockTime base) {
    clock_ = std::move(clock);
    base_ = base;
  }
  void pause() { clock_.reset(); }
  /// After a seek in PLAYING it is another one, and no state change says so.
  void set_base(GstClockTime base) { base_ = base; }

  /// Null where no frame has to leave at any time.
  GstClock* clock() const { return live_ ? clock_.get() : nullptr; }
  /// The clock's time at which a frame of this running time has to leave.
  GstClockTime due(int64_t running_ns) const {
    const auto time = static_cast<int64_t>(base_ + latency()) + running_ns;
    return static_cast<GstClockTime>(std::max<int64_t>(time, 0));
  }

 private:
  bool live_ = false;
  GstClockTime upstream_ = 0;
  GstClockTime own_ = 0;
  ClockPtr clock_;
  GstClockTime base_ = 0;
};

}  // namespace latentsync
