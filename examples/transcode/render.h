#pragma once

#include "examples/transcode/handles.h"
#include "examples/transcode/output_format.h"
#include "examples/transcode/part_record.h"
#include "examples/transcode/progress.h"
#include "examples/transcode/recorder_tap.h"
#include "examples/transcode/standstill.h"
#include "examples/transcode/streams.h"

#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace latentsync::transcode {

struct RenderPlan {
  GstEncodingProfile* profile = nullptr;  ///< borrowed
  std::string file;                       ///< that is written
  std::string frames;                     ///< a folder for PNGs, or empty
  std::string name;                       ///< of the output, in messages
  std::string caps;  ///< of frames that are to reach the encoder undithered, or empty
  std::optional<double> speech_gain;  ///< dB, of speech that is cleaned; none: it stays as it is
  guint64 resumable_frames = 0;       ///< that the cache should hold until the end; 0: none
  int crop_right = 0;                 ///< pixels that the encoder cannot take
  int crop_bottom = 0;
  Recorder* recorder = nullptr;  ///< of what is rendered; borrowed, or none
  bool with_sound = true;
  PartRecord* part = nullptr;  ///< gets the frames that are kept, and their caps; borrowed, or none
  /// Frames that are rendered already, in place of the streams'; speech is not read then.
  std::function<Unit()> made;
};

/// The pipeline that makes the output:
///
///   frames ! latentsync.video_sink            latentsync ! encodebin2 ! filesink
///   speech ! audioconvert ! audioresample [! clean_speech.h] ! latentsync.audio_sink
///   sound ! encodebin2
///
/// Frames that are rendered already pass `identity` in the element's place.
///
/// Three threads feed it from the streams. What was rendered only for its neighbours' sake is
/// dropped after the element.
class Render {
 public:
  Render(Streams& streams, ElementPtr element, const RenderPlan& plan);
  ~Render();
  Render(const Render&) = delete;
  Render& operator=(const Render&) = delete;

  /// Until the file is whole (true) or Ctrl-C ended it early (false). Throws Problem.
  bool run(Progress& progress);

  /// Frames that came out.
  guint64 frames() const { return frames_out_; }
  /// The element's own `stats`; null where it has none.
  StructurePtr element_stats() const;
  /// Stops all and closes the file.
  void close();
  /// The same; but the element, which is handed over, still runs and holds its model.
  PipelinePtr close_and_keep_model();

 private:
  GstElement* add(const char* factory);
  GstElement* add_source(guint64 most_buffers, guint64 most_time);
  void link_video(GstElement* encoder, const RenderPlan& plan);
  void link_frames(GstElement* tee, const std::string& frames);
  void link_speech(const std::optional<double>& gain);
  void link_sound(GstElement* encoder);

  static GstPadProbeReturn on_frame(GstPad* pad, GstPadProbeInfo* info, gpointer self);
  static void on_encoded(GstElement* encoder, GstPad* pad, gpointer sink);

  static void on_encoder_element(GstBin* encoder, GstBin* bin, GstElement* element, gpointer self);
  static GstPadProbeReturn on_encoded_frame(GstPad* pad, GstPadProbeInfo* info, gpointer self);

  static GstPadProbeReturn on_element_event(GstPad* pad, GstPadProbeInfo* info, gpointer self);
  static GstPadProbeReturn on_written(GstPad* pad, GstPadProbeInfo* info, gpointer self);

  /// False: the element has given everything, or what it gives is not taken.
  bool may_be_rendering() const;
  /// Ends the process where nothing has moved for too long while the element does not render.
  void look_for_standstill(Standstill& standstill) const;
  Unit next_frame();
  void note_frame(GstPad* pad, const GstBuffer* buffer);
  void start();
  void play();
  template <typename Next>
  void feed(GstElement* source, Next next);
  void post(const char* what);
  bool handle(GstMessage* message, Progress& progress);
  static void show_plan(const GstStructure* structure, Progress& progress);
  void show_window(const GstStructure* structure, Progress& progress);
  void warn(Progress& progress);
  void look_for_interrupt(Progress& progress);
  void check_whole() const;

  Streams& streams_;
  std::string name_;
  std::function<Unit()> made_frames_;
  PartRecord* part_ = nullptr;
  PipelinePtr pipeline_;
  GstElement* element_ = nullptr;
  std::optional<RecorderTap> tap_;
  GstElement* made_ = nullptr;  ///< a queue behind the element
  GstElement* video_source_ = nullptr;
  GstElement* speech_source_ = nullptr;  ///< null where no speech is read
  GstElement* sound_source_ = nullptr;   ///< null where no sound is written
  std::atomic<guint64> frames_in_ = 0;   ///< those that are kept
  std::atomic<guint64> frames_out_ = 0;
  std::atomic<guint64> frames_encoded_ = 0;
  std::atomic<guint64> moved_ = 0;  ///< buffers fed and written, and messages
  std::atomic<bool> element_ended_ = false;
  std::atomic<GstClockTime> position_ = 0;
  guint64 resumable_frames_;  ///< as the plan has it; 0 when the first window is there
  std::string missing_;
  bool finishing_ = false;
  std::mutex mutex_;
  std::exception_ptr feed_failure_;  ///< under mutex_
  std::vector<std::jthread> feeders_;
  bool closing_ = false;  ///< under mutex_
  std::jthread starter_;
};

}  // namespace latentsync::transcode
