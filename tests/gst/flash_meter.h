#pragma once

#include "tests/gst/pipeline.h"

#include <mutex>
#include <optional>
#include <string>
#include <vector>

/// How far sound and picture are apart where a graph ends, and when they arrive there.
namespace latentsync::test {

/// A live camera and a live microphone: the picture changes from black to white or back each two
/// seconds, and each second a beep begins, one buffer early. Their timestamps begin when each is
/// first scheduled.
inline constexpr const char* kFlashes =
    "videotestsrc is-live=true pattern=ball flip=true animation-mode=frames ! "
    "video/x-raw,format=I420,width=64,height=48,framerate=25/1 ! identity name=camera";
inline constexpr const char* kBeeps =
    "audiotestsrc is-live=true wave=ticks volume=1 samplesperbuffer=480 ! "
    "audio/x-raw,format=S16LE,rate=48000,channels=1 ! identity name=microphone";
inline constexpr GstClockTime kBeepIsEarly = 10 * GST_MSECOND;

/// The ends of a graph, behind a videoconvert and an audioconvert. Without SYNC they do not wait
/// for the clock.
std::string flash_sink(bool sync = true);
std::string beep_sink(bool sync = true);

class FlashMeter {
 public:
  enum class Place { kSources, kSinks };
  /// Of a pipeline with these sources or sinks, before it starts.
  explicit FlashMeter(const Pipeline& pipeline, Place place = Place::kSinks);
  /// The pipeline, which must still be there, goes to NULL.
  ~FlashMeter();
  FlashMeter(const FlashMeter&) = delete;
  FlashMeter& operator=(const FlashMeter&) = delete;

  struct Moment {
    GstClockTime running = 0;
    GstClockTime arrival = 0;  ///< on the system's clock
    GstClockTime due = 0;      ///< likewise, where the sink waits for the clock
  };

  /// How much later than each change of the picture the beep is, in ms.
  std::vector<double> distances() const;
  /// The same by when they arrived, in place of their timestamps.
  std::vector<double> arrival_distances() const;
  /// How much later than at SOURCES each change of the picture arrived, in ms, if that is within a
  /// second of ABOUT.
  std::vector<double> delays(const FlashMeter& sources, GstClockTime about) const;
  /// How much later than the latency lets it each frame that arrived from BEGIN to END on the
  /// system's clock was, in ms.
  std::vector<double> lags(GstClockTime begin, GstClockTime end) const;
  std::vector<Moment> frames() const;
  std::vector<Moment> changes() const;

 private:
  static void show(GstElement* sink, GstBuffer* buffer, GstPad* pad, gpointer data);
  static void sound(GstElement* sink, GstBuffer* buffer, GstPad* pad, gpointer data);
  template <auto NOTE>
  void probe(const Ref<GstElement>& source);
  using Time = GstClockTime Moment::*;
  std::vector<double> distances(Time time) const;

  const Pipeline& pipeline_;
  mutable std::mutex mutex_;
  std::vector<Moment> frames_;
  std::vector<Moment> changes_;  ///< of the picture
  std::vector<Moment> beeps_;
  std::optional<bool> white_;
  std::optional<GstClockTime> loud_;  ///< running time of the last loud sample
};

}  // namespace latentsync::test
