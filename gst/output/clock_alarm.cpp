#include "gst/output/clock_alarm.h"

namespace latentsync {
namespace {

gboolean ring(GstClock*, GstClockTime, GstClockID, gpointer data) {
  Monitor& monitor = **static_cast<MonitorPtr*>(data);
  const std::lock_guard lock(monitor.mutex);
  monitor.notify();
  return TRUE;
}

}  // namespace

bool ClockAlarm::set(GstClock* clock, GstClockTime time) {
  if (!id_ || gst_clock_id_get_time(id_) != time || !gst_clock_id_uses_clock(id_, clock)) {
    clear();
    id_ = gst_clock_new_single_shot_id(clock, time);
    // The clock may keep the entry for longer than the element lives.
    gst_clock_id_wait_async(id_, ring, new MonitorPtr(monitor_),
                            [](gpointer data) { delete static_cast<MonitorPtr*>(data); });
  }
  // A clock that was moved between the look at it and this would not ring.
  return gst_clock_get_time(clock) < time;
}

void ClockAlarm::clear() {
  if (!id_) return;
  gst_clock_id_unschedule(id_);
  gst_clock_id_unref(id_);
  id_ = nullptr;
}

}  // namespace latentsync
