#pragma once

#include "examples/transcode/frame_times.h"
#include "examples/transcode/timeline.h"

#include <span>
#include <vector>

/// How a clip is cut into shards whose windows are those of one run.
namespace latentsync::transcode {

/// A frame that a run over the whole is given.
struct FedFrame {
  GstClockTime time = 0;
  bool discontinuity = false;
};

/// A window of the run over the whole.
struct Window {
  GstClockTime begin = 0;  ///< a border for Part: between its first frame and the one before
  guint64 frames = 0;
};

/// The windows from which a part can be made.
struct Windows {
  std::vector<Window> all;  ///< in order; the first ones may be before the part: its lead-in
  size_t first = 0;         ///< the one that holds the part's first frame
  /// False: in mid-stream the element believes the declared rate, or does not any more. Where that
  /// happens depends on all frames before, and a shard's windows may be others there.
  bool steady = true;
};

/// As the element has them for frames of RATE and windows of WINDOW_FRAMES. FED: all frames of the
/// run, of which PART is kept.
Windows windows_of_frames(std::span<const FedFrame> fed, const FrameRate& rate, int window_frames,
                          const Part& part);

/// PART in COUNT shards of whole windows, each with the windows that hold the 32 frames before it;
/// what takes longest comes first. Throws Problem (kUsage): there are fewer windows.
std::vector<Part> cut_into_shards(const Part& part, const Windows& windows, int count);

}  // namespace latentsync::transcode
