#pragma once

#include "examples/transcode/handles.h"
#include "examples/transcode/problem.h"

#include <atomic>
#include <gst/video/video.h>
#include <string>

namespace latentsync::transcode {

enum class StreamKind { kVideo, kAudio };

/// A decoded buffer and its place on its file's timeline (stream time).
struct Unit {
  BufferPtr buffer;
  CapsPtr caps;
  GstClockTime time = 0;
  GstClockTime duration =
      0;  ///< never "none": a frame that has none lasts as long as the rate says

  explicit operator bool() const { return buffer != nullptr; }
  GstClockTime end() const { return time + duration; }
};

/// One stream of one file, decoded. Video is turned upright where the file says that it was
/// recorded turned; everything else about it stays as it is. Each reader has the file open for
/// itself, so that no stream waits for another.
class MediaReader {
 public:
  /// FILE: a path or a URI. CAPS: raw formats that are wanted, others are converted. Returns when
  /// the first buffer is decoded. Throws Problem: no such file, no stream of that kind, not to be
  /// read.
  MediaReader(const std::string& file, StreamKind kind, const char* caps);

  const std::string& file() const { return file_; }
  GstClockTime frame_duration() const { return frame_duration_; }
  /// Frames a second as the stream says it, 0 for a variable or unknown rate.
  double frame_rate() const { return frame_rate_; }

  /// Of the first picture, upright; 0 for audio.
  int width() const { return width_; }
  int height() const { return height_; }
  /// How long the file says that it is; 0: it does not say.
  GstClockTime claimed_duration() const;

  /// The next buffer, or an empty unit at the end, or after stop(). Throws Problem.
  Unit next();
  /// The next buffers begin at TIME or somewhat before it. Throws Problem where the file cannot be
  /// entered in the middle.
  void seek(GstClockTime time);
  /// Where the last buffer of the stream ends: what was really decoded, not what a header says; a
  /// frame of no duration lasts as long as the rate says. The next buffer is then the first.
  GstClockTime find_end();

  /// Makes next() return, now and later; from any thread.
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

 private:
  void open();
  void wait_for_first_buffer();
  GstVideoOrientationMethod recorded_orientation() const;
  void learn_format();
  void check_bus();
  GstClockTime last_end();

  std::string file_;
  std::string uri_;
  StreamKind kind_;
  std::string caps_;
  PipelinePtr pipeline_;
  GstElement* sink_ = nullptr;
  GstClockTime frame_duration_ = 0;
  double frame_rate_ = 0;
  int width_ = 0;
  int height_ = 0;
  GstVideoOrientationMethod orientation_ = GST_VIDEO_ORIENTATION_IDENTITY;
  std::string missing_;
  std::atomic<bool> stopped_ = false;
};

}  // namespace latentsync::transcode
