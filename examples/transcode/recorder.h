#pragma once

#include "examples/transcode/handles.h"
#include "examples/transcode/loudness.h"
#include "examples/transcode/pictures.h"
#include "examples/transcode/recording.h"
#include "examples/transcode/stream_bins.h"
#include "examples/transcode/timeline.h"

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace latentsync::transcode {

/// Collects what a page shows of a run, in a bounded amount of memory however long the clip is.
/// Frames and samples have their times on the whole's timeline; those outside the part are left
/// out. Each function may be called by a thread of its own.
class Recorder {
 public:
  explicit Recorder(const Part& part);

  /// A frame on its way into the element.
  void frame_in(GstBuffer* frame, const GstVideoInfo& info);
  /// The same frame on its way out, after the element's messages about it.
  void frame_out(GstBuffer* frame, const GstVideoInfo& info);
  /// Of what drives the mouth.
  void speech(GstBuffer* samples, const GstAudioInfo& info);
  /// A message of the element; others are ignored.
  void message(GstMessage* message);
  void warning(const std::string& sentence);

  /// What there is so far. Pictures are encoded here.
  Recording recording();

 private:
  struct Told {
    FrameFate fate = FrameFate::kNotRendered;
    double confidence = 0;
    std::optional<PictureArea> face;
    std::optional<double> mouth;
  };
  struct Kept {
    guint64 number = 0;
    GstClockTime time = 0;
    Told told;
    SmallPicture before;
    SmallPicture after;
  };
  /// What is known of a frame that comes out.
  struct Leaving {
    guint64 number = 0;
    Told told;
    bool late = false;
    std::optional<SmallPicture> before;
  };

  Leaving leave(GstClockTime time);
  void count(const Leaving& leaving, GstClockTime time, GstClockTime end);
  bool is_wanted(const Leaving& leaving) const;
  void keep(const Kept& kept);
  void read_window(const GstStructure* window);
  void read_plan(const GstStructure* plan);
  GstClockTime since_begin(GstClockTime time) const;
  static PicturePair pair_of(const Kept& kept);

  const Part part_;
  Shrinker into_;  // of the thread of frame_in()
  Shrinker out_;   // of that of frame_out()

  std::mutex mutex_;  // guards what follows
  std::map<GstClockTime, SmallPicture> arrived_;
  std::map<GstClockTime, Told> told_;
  std::set<GstClockTime> late_;
  guint64 stride_ = 1;
  std::vector<Kept> kept_;
  std::optional<Kept> least_certain_;
  Recording recording_;  // what is only counted
  StreamBins<FrameRun> runs_;
  StreamBins<Level> mouth_;
  StreamBins<Level> loudness_;
  StreamBins<WindowRun> costs_;
  LoudnessMeter meter_;
};

}  // namespace latentsync::transcode
