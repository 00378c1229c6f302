#pragma once

#include "examples/transcode/audio_track.h"
#include "examples/transcode/container_colour.h"
#include "examples/transcode/handles.h"
#include "examples/transcode/problem.h"
#include "examples/transcode/sound_change.h"
#include "examples/transcode/stream_choice.h"

#include <atomic>
#include <gst/video/video.h>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace latentsync::transcode {

/// Which of a frame's two fields was recorded first; none: it has no fields.
enum class FirstField { kNone, kTop, kBottom };

/// The pipeline behind a reader, from its file's beginning:
///
///   source ! parsebin ! decodebin ! convert ! appsink
///
/// It decodes the first stream of its kind, or the one that is named, wherever in the file that
/// begins.
class ReadingPipeline {
 public:
  struct Wish {
    std::string file;  ///< as the user named it
    std::string uri;
    StreamKind kind = StreamKind::kVideo;
    const char* caps = nullptr;  ///< raw formats; others are converted
    GstVideoOrientationMethod orientation = GST_VIDEO_ORIENTATION_IDENTITY;  ///< is turned so
    bool decode = true;  ///< else packets come out as they are, and the two above do not matter
    std::string stream;  ///< GStreamer's name of it; empty: the first of its kind
    FirstField deinterlace = FirstField::kNone;  ///< one picture is made of each frame's two fields
  };

  /// Returns when the first buffer is decoded. Throws Problem: no stream of that kind, not to be
  /// read, nothing moves.
  explicit ReadingPipeline(const Wish& wish);
  ReadingPipeline(const ReadingPipeline&) = delete;
  ReadingPipeline& operator=(const ReadingPipeline&) = delete;

  /// The next buffer, or null at the end or once STOPPED is set. Throws Problem.
  SamplePtr next(const std::atomic<bool>& stopped);
  /// False: this kind of file cannot be entered there. Throws Problem.
  bool seek(GstClockTime time);
  /// From here on sound of another rate or number of channels is converted to CAPS.
  void convert_to(const GstCaps* caps);

  /// Those of the file whose beginning has been read, in its order; none without a container.
  std::vector<AudioTrack> audio_tracks() const;
  /// GStreamer's name of the one that is read.
  std::string stream() const;
  /// What buffers are like now; null before the first.
  CapsPtr caps() const;
  /// Of the video as it was decoded first; none where that is not in system memory.
  std::optional<GstVideoFormat> decoded_format() const;
  /// How the video was recorded, from its tags.
  GstVideoOrientationMethod recorded_orientation() const;
  /// 0: the file does not say.
  GstClockTime claimed_duration() const;
  /// Whether the first frame was packed like a picture of its own.
  bool is_picture() const;
  /// Whether its times count from a clock of the recorder's and not from the file's beginning.
  bool has_own_clock() const;
  /// Where decoded sound has changed, once.
  auto take_sound_change() { return sound_change_.take(); }
  /// Whether claimed_duration() is taken from the first and last times, and not a claim at all.
  bool measures_duration() const;
  const ContainerColour& colour() const { return colour_; }

 private:
  std::pair<GstElement*, GstElement*> add_pictures(const Wish& wish);
  GstElement* add_decoding(const Wish& wish);
  void watch(GstElement* source);
  void wait_for_first_buffer();
  void look_at(GstMessage* message);
  /// A demuxer that puts another stream in the place of this one ends this one first: its error,
  /// that nobody takes the other one, may be posted after the end has arrived.
  void wait_for_late_error();
  void check_bus();
  Problem standstill() const;
  Problem no_stream() const;
  static void on_element(GstBin* pipeline, GstBin* bin, GstElement* element, gpointer self);
  static GstPadProbeReturn on_data(GstPad* pad, GstPadProbeInfo* info, gpointer self);

  const std::string file_;
  const StreamKind kind_;
  GstElement* decode_ = nullptr;
  GstElement* sink_ = nullptr;
  std::string missing_;
  std::atomic<bool> gif_ = false;
  std::atomic<bool> replaces_streams_ = false;  ///< its demuxer may, in mid-file
  std::atomic<guint64> moved_ = 0;              ///< bytes and packets, to tell a standstill
  ContainerColour colour_;
  SoundChange sound_change_;
  std::optional<StreamChoice> choice_;
  PipelinePtr pipeline_;  ///< goes first: its threads use the rest
};

}  // namespace latentsync::transcode
