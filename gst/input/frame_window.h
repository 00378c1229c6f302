#pragma once

#include "gst/input/frame_group.h"
#include "gst/input/window_grid.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

/// The video as it waits inside the element: frames and the events between them, in order, cut into
/// windows. Not for several threads at once.
namespace latentsync {

/// Whether a flush leaves the event where it is.
bool survives_flush(GstEvent* event);

class FrameWindow {
 public:
  explicit FrameWindow(int window_frames = 16) : grid_(window_frames) {}

  /// A time further than this from the frame before cuts: no window needs the audio of all between.
  static constexpr int64_t kLongestPause = 10'000'000'000;

  /// DISCONTINUITY cuts before the frame. Its stream time decides where it lies on the grid.
  void push(Frame frame, bool discontinuity);

  /// A frame that is not to be edited: a group of its own.
  void push_unedited(Frame frame);

  /// An event that leaves between the frame before and the one after it.
  void push(EventPtr event);

  /// What comes next continues nothing: closes the window that is being filled.
  void cut();

  /// The declared frame rate of what comes next, 0 where it varies; to be called after cut().
  void set_rate(int numerator, int denominator) { rate_.set_rate(numerator, denominator); }

  /// Closes the window that is being filled: the stream ended, or waits no longer.
  void close();

  /// Windows have at most so many frames from now on, also those that wait. More than before is
  /// no news.
  void limit(int window_frames);

  /// An event that no frame is in front of; null without any.
  EventPtr take_leading_event();

  /// The oldest window, if it is closed; and the same, taken out.
  const FrameGroup* complete() const;
  FrameGroup* complete();
  std::optional<FrameGroup> take();

  int frames() const { return frames_; }
  bool empty() const { return groups_.empty(); }

  /// The oldest waiting frame; null without any.
  const Frame* oldest() const;

  /// The duration of COUNT frames.
  int64_t duration(int count) const { return rate_.duration(count); }
  int window_frames() const { return grid_.frames(); }

  /// After a flush: forgets frames, and events that a flush removes; sticky ones stay. How many
  /// frames there were.
  int drop_frames();
  /// In front of all that waits.
  void keep_sticky_events(std::vector<Item> items);

 private:
  FrameGroup& open_group();
  void add(Frame frame);
  void place(Frame frame, bool tentative);
  /// Puts a group that was taken out behind the others, cut anew.
  void place_again(FrameGroup group);
  /// The declared rate is believed now, or not: windows that were cut before are cut anew.
  void settle();

  WindowGrid grid_;
  RateCheck rate_;
  std::deque<FrameGroup> groups_;  ///< all but the last one are closed
  int frames_ = 0;
  bool discontinuity_ = true;  ///< the next frame continues nothing
  int64_t last_ns_ = 0;        ///< the running time of the frame before
};

}  // namespace latentsync
