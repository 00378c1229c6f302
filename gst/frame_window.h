#pragma once

#include "gst/handles.h"
#include "gst/window_grid.h"

#include <cstdint>
#include <deque>
#include <gst/video/video.h>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

/// The video as it waits inside the element: frames and the events between them, in order, cut into
/// windows. Not for several threads at once.
namespace latentsync {

struct Frame {
  BufferPtr buffer;
  std::shared_ptr<const GstVideoInfo> format;
  int64_t timeline_ns = 0;  ///< gst/timeline.h
  int64_t running_ns = 0;
  int64_t stream_ns = 0;
};

using Item = std::variant<Frame, EventPtr>;

/// Frames that are denoised together, and the events before, between and after them.
struct FrameGroup {
  std::vector<Item> items;
  int frames = 0;
  bool discontinuity = false;  ///< its frames do not continue those of the group before
  bool closed = false;

  Frame& frame(int number);
  std::vector<int64_t> times() const;

  /// Takes the group apart: the one that is returned has the events and frames without buffers,
  /// this one the frames alone.
  FrameGroup split();
  /// Gives the frames their buffers, in order.
  void set_buffers(std::vector<BufferPtr> buffers);
  /// Takes the frames' buffers out.
  std::vector<BufferPtr> take_buffers();
  /// References to them.
  std::vector<BufferPtr> share_buffers() const;
};

class FrameWindow {
 public:
  explicit FrameWindow(int window_frames = 16) : grid_(window_frames) {}

  /// A time further than this from the frame before cuts: no window has to hear all between.
  static constexpr int64_t kLongestPause = 10'000'000'000;

  /// DISCONTINUITY cuts before the frame. Its stream time decides where it lies on the grid.
  void push(Frame frame, bool discontinuity);

  /// An event that leaves between the frame before and the one after it.
  void push(EventPtr event);

  /// What comes next continues nothing: closes the window that is being filled.
  void cut();

  /// The frame rate of what comes next, 0 where it varies; to be called after cut().
  void set_rate(int numerator, int denominator);

  /// Closes the window that is being filled: the stream ended, or waits no longer.
  void close();

  /// The events before the first waiting frame.
  std::vector<EventPtr> take_leading_events();

  /// The oldest window, if it is closed; and the same, taken out.
  const FrameGroup* complete() const;
  std::optional<FrameGroup> take();

  int frames() const { return frames_; }
  bool empty() const { return groups_.empty(); }

  /// The oldest waiting frame; null without any.
  const Frame* oldest() const;

  /// After a flush: forgets frames, and events that a flush removes; sticky ones stay.
  void drop_frames();
  void keep_sticky_events(FrameGroup group);  ///< in front of all that waits

  void reset();

 private:
  FrameGroup& open_group();

  WindowGrid grid_;
  std::deque<FrameGroup> groups_;  ///< all but the last one are closed
  int frames_ = 0;
  bool discontinuity_ = true;  ///< the next frame continues nothing
  int64_t last_ns_ = 0;        ///< the timeline's time of the frame before
};

}  // namespace latentsync
