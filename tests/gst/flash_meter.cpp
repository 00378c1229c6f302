#include "tests/gst/flash_meter.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <gst/base/gstbasesink.h>
#include <numeric>

namespace latentsync::test {
namespace {

/// Of a 16-bit sample that belongs to a beep.
constexpr int kLoud = 8000;
/// Beeps are a second apart, and some milliseconds long.
constexpr GstClockTime kPause = 300 * GST_MSECOND;

GstClockTime running_time(GstPad* pad, GstBuffer* buffer) {
  const Ref<GstEvent> event(gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0));
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event.get(), &segment);
  return gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
}

/// When a buffer of this running time leaves SINK.
GstClockTime due(GstElement* sink, GstClockTime running) {
  return gst_element_get_base_time(sink) + running + gst_base_sink_get_latency(GST_BASE_SINK(sink));
}

int rate_of(GstPad* pad) {
  int rate = 0;
  const Ref<GstCaps> caps(gst_pad_get_current_caps(pad));
  gst_structure_get_int(gst_caps_get_structure(caps.get(), 0), "rate", &rate);
  return rate;
}

}  // namespace

std::string flash_sink(bool sync) {
  return "video/x-raw,format=GRAY8 ! fakesink name=window qos=false signal-handoffs=true sync=" +
         std::string(sync ? "true" : "false");
}

std::string beep_sink(bool sync) {
  return "audio/x-raw,format=S16LE,channels=1 ! fakesink name=loudspeaker signal-handoffs=true "
         "sync=" +
         std::string(sync ? "true" : "false");
}

template <auto NOTE>
void FlashMeter::probe(const Ref<GstElement>& source) {
  const Ref<GstPad> pad(gst_element_get_static_pad(source.get(), "src"));
  const auto note = [](GstPad* pad, GstPadProbeInfo* info, gpointer data) {
    NOTE(nullptr, GST_PAD_PROBE_INFO_BUFFER(info), pad, data);
    return GST_PAD_PROBE_OK;
  };
  gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, note, this, nullptr);
}

FlashMeter::~FlashMeter() { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); }

FlashMeter::FlashMeter(const Pipeline& pipeline, Place place) : pipeline_(pipeline) {
  if (place == Place::kSources) {
    probe<show>(pipeline.element("camera"));
    probe<sound>(pipeline.element("microphone"));
    return;
  }
  const Ref<GstElement> window = pipeline.element("window");
  const Ref<GstElement> loudspeaker = pipeline.element("loudspeaker");
  g_signal_connect(window.get(), "handoff", G_CALLBACK(show), this);
  g_signal_connect(loudspeaker.get(), "handoff", G_CALLBACK(sound), this);
}

void FlashMeter::show(GstElement* sink, GstBuffer* buffer, GstPad* pad, gpointer data) {
  auto& meter = *static_cast<FlashMeter*>(data);
  Moment moment{running_time(pad, buffer), gst_util_get_timestamp()};
  if (sink) moment.due = due(sink, moment.running);
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return;
  // The topmost row: it is outside of what the fake model edits.
  const gsize count = std::min<gsize>(map.size, 64);
  const bool white = std::accumulate(map.data, map.data + count, gsize{0}) > 128 * count;
  gst_buffer_unmap(buffer, &map);
  const std::lock_guard lock(meter.mutex_);
  meter.frames_.push_back(moment);
  if (meter.white_ && *meter.white_ != white) meter.changes_.push_back(moment);
  meter.white_ = white;
}

void FlashMeter::sound(GstElement*, GstBuffer* buffer, GstPad* pad, gpointer data) {
  auto& meter = *static_cast<FlashMeter*>(data);
  const Moment moment{running_time(pad, buffer), gst_util_get_timestamp()};
  const auto rate = static_cast<guint64>(rate_of(pad));
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return;
  const std::lock_guard lock(meter.mutex_);
  const auto* samples = reinterpret_cast<const int16_t*>(map.data);
  for (gsize at = 0; at < map.size / 2; ++at) {
    if (std::abs(samples[at]) < kLoud) continue;
    const GstClockTime into = gst_util_uint64_scale(at, GST_SECOND, rate);
    if (!meter.loud_ || moment.running + into > *meter.loud_ + kPause) {
      const GstClockTime begin = into + kBeepIsEarly;
      meter.beeps_.push_back({moment.running + begin, moment.arrival + begin});
    }
    meter.loud_ = moment.running + into;
  }
  gst_buffer_unmap(buffer, &map);
}

std::vector<double> FlashMeter::distances(Time time) const {
  const std::lock_guard lock(mutex_);
  std::vector<double> result;
  for (const Moment& change : changes_) {
    if (beeps_.empty()) break;
    const auto distance = [&](const Moment& beep) {
      return static_cast<double>(GST_CLOCK_DIFF(change.*time, beep.*time)) / 1e6;
    };
    const auto nearest = std::ranges::min_element(
        beeps_, {}, [&](const Moment& beep) { return std::abs(distance(beep)); });
    // The beep of the last change may still be on its way.
    if (std::abs(distance(*nearest)) < 500) result.push_back(distance(*nearest));
  }
  return result;
}

std::vector<double> FlashMeter::distances() const { return distances(&Moment::running); }
std::vector<double> FlashMeter::arrival_distances() const { return distances(&Moment::arrival); }

std::vector<double> FlashMeter::lags(GstClockTime begin, GstClockTime end) const {
  const std::lock_guard lock(mutex_);
  std::vector<double> result;
  for (const Moment& frame : frames_) {
    if (frame.arrival < begin || frame.arrival >= end) continue;
    result.push_back(static_cast<double>(GST_CLOCK_DIFF(frame.due, frame.arrival)) / 1e6);
  }
  return result;
}

std::vector<FlashMeter::Moment> FlashMeter::frames() const {
  const std::lock_guard lock(mutex_);
  return frames_;
}

std::vector<FlashMeter::Moment> FlashMeter::changes() const {
  const std::lock_guard lock(mutex_);
  return changes_;
}

std::vector<double> FlashMeter::delays(const FlashMeter& sources, GstClockTime about) const {
  std::vector<double> result;
  const std::vector<Moment> taken = sources.changes();
  for (const Moment& change : changes()) {
    for (const Moment& source : taken) {
      const GstClockTimeDiff delay = GST_CLOCK_DIFF(source.arrival, change.arrival);
      if (std::abs(delay - static_cast<GstClockTimeDiff>(about)) > 1'000'000'000) continue;
      result.push_back(static_cast<double>(delay) / 1e6);
    }
  }
  return result;
}

}  // namespace latentsync::test
