#pragma once

#include "gst/input/frame_window.h"

#include <gst/video/video.h>
#include <memory>
#include <optional>
#include <vector>

namespace latentsync {

/// What has arrived at video_sink and was not taken by the source task. Guarded by the Monitor.
class VideoInput {
 public:
  void start(int window_frames, uint64_t lookahead_ns);

  // From the streaming thread of video_sink.
  bool has_format() const { return format_ != nullptr; }
  /// EVENT is queued at its place, as by all functions that take one.
  void set_caps(const GstVideoInfo& format, EventPtr event);
  void set_segment(const GstSegment& segment, EventPtr event);
  void push(BufferPtr buffer);
  void push_gap(EventPtr event);
  void push_event(EventPtr event) { frames_.push(std::move(event)); }
  /// The end of a stream (EOS), or of a segment: a window ends there.
  void end(EventPtr event);
  /// A stream begins, after the end of another one or not.
  void begin(EventPtr event);

  // From any thread that flushes video_sink.
  /// How many frames were forgotten.
  int begin_flush(guint32 seqnum);
  void end_flush();
  bool flushing() const { return flushing_; }
  guint32 flush_seqnum() const { return flush_seqnum_; }

  /// Windows have at most so many frames from now on; more than before is no news.
  void limit_window(int frames) { frames_.limit(frames); }
  int window_frames() const { return frames_.window_frames(); }

  // For the source task.
  EventPtr take_leading_event() { return frames_.take_leading_event(); }
  FrameGroup* complete() { return frames_.complete(); }
  FrameGroup take() { return *frames_.take(); }
  /// The window that is being filled stays as it is.
  void close() { frames_.close(); }
  /// The same, and what arrives next does not continue it.
  void cut() { frames_.cut(); }
  void keep_sticky_events(std::vector<Item> items) { frames_.keep_sticky_events(std::move(items)); }
  int frames() const { return frames_.frames(); }
  bool empty() const { return frames_.empty(); }
  std::optional<int64_t> oldest_ns() const;

  bool ended() const { return ended_; }
  /// Running time at which a frame without a timestamp would lie.
  std::optional<int64_t> end_ns() const { return end_ns_; }

  /// The duration of a full window.
  GstClockTime window_duration() const;
  GstClockTime frame_duration() const { return static_cast<GstClockTime>(frames_.duration(1)); }
  uint64_t lookahead_ns() const { return lookahead_ns_; }
  /// Frames that the element holds at most: one window that is rendered or output, one that fills
  /// (more, where a live graph reserves RENDER_NS for rendering), and those that arrive while it
  /// waits for audio-lookahead. This number limits video_sink, is asked for in the ALLOCATION
  /// query, and decides which pools are too small.
  int most_held(GstClockTime render_ns) const;

 private:
  FrameWindow frames_;
  GstSegment segment_ = {};
  std::shared_ptr<const GstVideoInfo> format_;
  std::optional<int64_t> end_ns_;
  uint64_t lookahead_ns_ = 0;
  guint32 flush_seqnum_ = GST_SEQNUM_INVALID;
  bool flushing_ = false;
  bool ended_ = false;
};

}  // namespace latentsync
