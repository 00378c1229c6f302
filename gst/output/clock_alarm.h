#pragma once

#include "gst/handles.h"
#include "gst/monitor.h"

namespace latentsync {

/// Notifies the Monitor when a clock reaches a time. To be used with the Monitor's lock held; the
/// clock's own thread takes that lock when the time has come.
class ClockAlarm {
 public:
  explicit ClockAlarm(MonitorPtr monitor) : monitor_(std::move(monitor)) {}
  ~ClockAlarm() { clear(); }
  ClockAlarm(const ClockAlarm&) = delete;
  ClockAlarm& operator=(const ClockAlarm&) = delete;

  /// In place of the time before. False where TIME has passed already.
  bool set(GstClock* clock, GstClockTime time);
  void clear();

 private:
  MonitorPtr monitor_;
  GstClockID id_ = nullptr;
};

}  // namespace latentsync
