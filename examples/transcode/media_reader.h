#pragma once

#include "examples/transcode/frame_times.h"
#include "examples/transcode/handles.h"
#include "examples/transcode/problem.h"
#include "examples/transcode/reading_pipeline.h"
#include "examples/transcode/uniform_frames.h"
#include "examples/transcode/warnings.h"

#include <atomic>
#include <gst/video/video.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace latentsync::transcode {

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
/// recorded turned, and every frame is made like the first; everything else about it stays as it
/// is. Times ascend. Each reader has the file open for itself, so that no stream waits for another.
class MediaReader {
 public:
  /// What of a file is wanted, and how.
  struct Choice {
    std::string track;  ///< which audio of several, as find_track() takes it; empty: the first
    bool deinterlace = false;  ///< frames of two fields become one picture each
    std::string place;         ///< where FILE can be read; empty: at its own name
  };

  /// FILE: a path or a URI. CAPS: raw formats that are wanted, others are converted. Returns when
  /// the first buffers have been decoded. Throws Problem: no such file, no stream of that kind, no
  /// such track, not to be read. WARNINGS gets a line for what is converted in mid-file to the
  /// format of the beginning.
  MediaReader(const std::string& file, StreamKind kind, const char* caps, Warnings& warnings,
              const Choice& choice);
  MediaReader(const std::string& file, StreamKind kind, const char* caps, Warnings& warnings)
      : MediaReader(file, kind, caps, warnings, Choice{}) {}

  const std::string& file() const { return file_; }
  /// Where that can be read; empty: at its own name.
  const std::string& place() const { return place_; }
  /// Of a frame, by what the first frames' times and the headers say; 40 ms where neither does.
  GstClockTime frame_duration() const { return rate_.duration; }
  /// Frames a second, 0 for a variable or unknown rate.
  double frame_rate() const { return double(rate_.numerator) / rate_.denominator; }

  const FrameRate& rate() const { return rate_; }

  /// Of the first picture, upright; 0 for audio.
  int width() const { return width_; }
  int height() const { return height_; }
  /// Of the first picture, as it is decoded and as next() has it.
  GstVideoFormat decoded_format() const { return decoded_format_; }
  GstVideoFormat pixel_format() const { return pixel_format_; }
  /// Whether the frames are of two fields each.
  bool is_interlaced() const { return first_field_ != FirstField::kNone; }
  /// Whether it is a picture (PNG, JPEG ...) and no video.
  bool is_picture() const { return picture_; }
  /// What every buffer is like; null where there is none.
  const GstCaps* caps() const { return output_caps_.get(); }
  /// Which audio track of several is read, for the user; else empty.
  const std::string& taken_track() const { return taken_track_; }
  /// How long the file says that it is; 0: it does not say.
  GstClockTime claimed_duration() const;

  /// Whether its times count from a clock of the recorder's and not from the file's beginning.
  bool has_own_clock() const { return pipeline_->has_own_clock(); }
  /// Whether claimed_duration() is taken from the first and last times, and not a claim at all.
  bool measures_duration() const { return pipeline_->measures_duration(); }
  /// When the first buffer is shown.
  GstClockTime first_time();
  /// All times, of buffers and of seeks, count from ORIGIN on the file's clock.
  void count_from(GstClockTime origin) { origin_ = origin; }
  GstClockTime origin() const { return origin_; }

  /// The next buffer, or an empty unit at the end, or after stop(). Throws Problem.
  Unit next();
  /// The next buffers begin at TIME or before it: where the file cannot be entered in the middle,
  /// at its beginning. Throws Problem.
  void seek(GstClockTime time);
  /// Where the last buffer of the stream ends: what was really decoded, not what a header says; a
  /// frame of no duration lasts as long as the rate says. The next buffer is then the first.
  GstClockTime find_end();

  /// When the stream's frames are shown, in that order, without decoding them. Throws Problem.
  std::vector<GstClockTime> packet_times() const;

  /// Makes next() return, now and later; from any thread.
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

 private:
  void open();
  void choose_track(const std::string& wish);
  void learn_sound();
  void learn_video();
  CapsPtr caps_of_output(const GstCaps* first, const FrameRate& declared) const;
  GstClockTime time_of(GstSample* sample) const;
  void finish_sound(Unit& unit);
  void finish_frame(Unit& unit);
  void warn(const char* what, GstClockTime time, const std::string& change, const char* how);
  GstClockTime last_end();
  GstClockTime end_of_packets();

  std::string file_;
  std::string place_;
  std::string uri_;
  std::string stream_;  ///< GStreamer's name of it; empty: the first
  std::string taken_track_;
  StreamKind kind_;
  const char* caps_;
  Warnings& warnings_;
  std::unique_ptr<ReadingPipeline> pipeline_;
  bool spent_ = false;  ///< the pipeline was read only to look: next() begins with a new one
  GstClockTime origin_ = 0;
  std::optional<GstClockTime> first_time_;
  FrameRate rate_;
  bool rate_believed_ = true;
  int width_ = 0;
  int height_ = 0;
  GstVideoFormat decoded_format_ = GST_VIDEO_FORMAT_UNKNOWN;
  GstVideoFormat pixel_format_ = GST_VIDEO_FORMAT_UNKNOWN;
  FirstField first_field_ = FirstField::kNone;
  bool picture_ = false;
  CapsPtr output_caps_;  ///< of every frame
  std::optional<UniformFrames> uniform_;
  AscendingTimes ascending_;
  bool looking_ahead_ = false;  ///< for the end: no warning is printed for what is read
  bool warned_ = false;
  FirstField deinterlace_ = FirstField::kNone;
  GstVideoOrientationMethod orientation_ = GST_VIDEO_ORIENTATION_IDENTITY;
  std::atomic<bool> stopped_ = false;
};

}  // namespace latentsync::transcode
