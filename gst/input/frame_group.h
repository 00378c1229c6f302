#pragma once

#include "gst/handles.h"

#include <cstdint>
#include <gst/video/video.h>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

/// Frames as they go from room to room. Values: no lock, one owner at a time.
namespace latentsync {

struct Frame {
  BufferPtr buffer;
  std::shared_ptr<const GstVideoInfo> format;
  int64_t running_ns = 0;
  int64_t stream_ns = 0;
  int64_t timeline_ns = 0;  ///< where its sound is (AudioInput::place()); set when it is taken
  int64_t end_ns = 0;       ///< running time up to which it is shown
  bool edited = false;
  int64_t segment_ns = 0;         ///< running time of its segment's start
  std::optional<int64_t> number;  ///< at the frame rate; none: windows are cut by count
};

using Item = std::variant<Frame, EventPtr>;

/// Frames that are denoised together, and the events before, between and after them.
struct FrameGroup {
  std::vector<Item> items;
  int frames = 0;
  bool discontinuity = false;  ///< its frames do not continue those of the group before
  bool closed = false;         ///< complete: nothing is added
  bool early = false;          ///< closed before the window grid closes it
  bool tentative = false;      ///< its frame rate is not believed yet: it may be cut anew
  bool reverse = false;        ///< played backwards: it is not edited
  uint64_t prepared = 0;       ///< the number of its preparation (Worker::prepare()); 0: none

  const Frame& frame(int number) const;
  Frame& frame(int number);
  std::vector<int64_t> times() const;

  /// Takes the group apart: the one that is returned has the events and frames without buffers,
  /// this one the frames alone.
  FrameGroup split();
  /// Moves the last frames of GROUP, which this one was split from, to their places.
  void set_frames(FrameGroup group);
  /// Takes the first frame out, with the events before it.
  std::vector<Item> take_first();
  /// The frames alone, which share their buffers with those of this group.
  FrameGroup share_frames() const;
  /// References to the frames' buffers.
  std::vector<BufferPtr> share_buffers() const;
};

}  // namespace latentsync
