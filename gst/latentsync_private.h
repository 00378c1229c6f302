#pragma once

#include "gst/audio_history.h"
#include "gst/frame_window.h"
#include "gst/latentsync.h"
#include "gst/latentsync_pad.h"
#include "gst/settings.h"
#include "gst/timeline.h"
#include "gst/worker.h"

#include <atomic>
#include <chrono>
#include <gst/audio/audio.h>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

/// What the element's files share. Lock order, outermost first; none is held while a buffer, event,
/// query or message leaves the element:
///
///   Element::task_mutex, Element::taking_mutex
///   GstAggregator's own (src lock, object lock, pad locks)
///   State::mutex
///   Settings' mutex, Statistics' mutex, the worker's
///
/// "The source thread" is that of the src pad's task: aggregate(), serialized events and queries.
namespace latentsync {

/// What has become of the stream, since the element went to PAUSED.
struct Statistics {
  uint64_t windows = 0;
  uint64_t frames_in = 0;
  uint64_t frames_out = 0;
  uint64_t frames_edited = 0;
  uint64_t frames_passed = 0;  ///< left as they came
  uint64_t frames_late = 0;    ///< of those, because their window was late
  StageSeconds seconds;
  double render_seconds = 0;
};

/// Audio may run this far ahead of the video, in samples: little memory, and whatever feeds both
/// pads from one thread is not held up.
constexpr int64_t kAudioAhead = 30 * kSampleRate;
/// The same once the video has been waited for in vain.
constexpr int64_t kMostAudioAhead = 600 * kSampleRate;

/// How long a pad waits for what does not come to the other one before something is done about it.
constexpr std::chrono::milliseconds kPatience{2000};

/// A sink pad's last flush.
struct PadFlush {
  guint32 number = GST_SEQNUM_INVALID;  ///< FLUSH_START's
  bool goes_on = false;                 ///< until FLUSH_STOP
  bool apart = false;                   ///< of a seek that had flushed the pad already
};

struct State {
  std::mutex mutex;

  // Guarded by the mutex: the source thread changes them, flushes from other threads empty them.
  FrameWindow frames;
  AudioHistory audio;
  GstSegment video_segment;
  GstSegment audio_segment;
  std::shared_ptr<const GstVideoInfo> format;
  bool audio_is_float = true;
  bool audio_resync = true;             ///< the next samples' time counts, not their number
  std::optional<int64_t> in_flight_ns;  ///< running time of the first frame that is being made
  std::optional<int64_t> video_end_ns;  ///< where a frame without a timestamp would lie
  int64_t audio_ahead = kAudioAhead;
  uint64_t video_flushes = 0;  ///< what was taken in before one is not sent after it
  uint64_t audio_flushes = 0;
  bool audio_renewed = false;  ///< by a flush of its own: what comes now is not what was given
  uint64_t windows_at_renewal = 0;
  PadFlush video_flush;
  PadFlush audio_flush;
  /// The audio alone has been flushed: until then the video may follow, and it is all one seek.
  std::optional<std::chrono::steady_clock::time_point> video_flush_due;
  uint64_t flushes_at_seek = 0;  ///< video_flushes when the last seek came
  bool flushed = false;          ///< both pads were, and FLUSH_STOP has still to leave

  // Of the source thread alone, and of start, stop and flush, when it does not run.
  bool live = false;               ///< frames have a latency to keep to; as of the last aggregate()
  std::optional<FrameGroup> rest;  ///< live: what is not with the worker of the window
  uint64_t rest_flushes = 0;       ///< video_flushes when it began
  std::shared_ptr<SpareBuffers> spare;  ///< live: what leaves if the window is late
  bool abandoned = false;               ///< it was late: what the worker brings is of no use
  AudioContext asked_context = AudioContext::kSliding;  ///< the property at the start
  AudioContext context = AudioContext::kSliding;        ///< as it is in force
  bool whole_audio_given = false;
  uint64_t arrivals = 0;  ///< buffers that were taken from the pads
  uint64_t arrivals_at_alarm = 0;
  bool audio_held_back = false;  ///< by what waits for this element's video
  std::optional<std::chrono::steady_clock::time_point> alarm;
  EventPtr stream_start;  ///< of the video
  bool stream_start_sent = false;
  bool caps_sent = false;
  GstSegment sent_segment;             ///< the video's that holds for what leaves
  bool ended = false;                  ///< the base class has sent EOS, and waits for a flush
  bool segment_pending = true;         ///< the base class pushes one with the next buffer
  std::vector<EventPtr> held_events;   ///< until the caps have been sent
  GstBufferPool* seen_pool = nullptr;  ///< not owned: only compared
  bool seen_pool_is_small = false;
  std::set<std::string> warned;
  int window_frames = 16;
  uint64_t lookahead_ns = 0;
  int64_t seed = 0;
  uint64_t windows = 0;

  std::atomic<bool> failed = false;  ///< an error has been posted
};

/// Whether the last flushes of both pads are of one seek; with the mutex held.
inline bool is_common_flush(const State& state) {
  return state.video_flush.number != GST_SEQNUM_INVALID &&
         state.video_flush.number == state.audio_flush.number;
}

/// The C++ part of an element.
struct Element final : WorkerListener {
  explicit Element(GstLatentsync* owner) : self(owner) {}

  void load_begins() override;
  void model_loading(double part, const char* what) override;
  void model_loaded(const ModelInfo& info) override;
  void model_failed(const Failure& failure) override;
  void worker_changed() override;

  Settings snapshot() {
    std::lock_guard lock(settings_mutex);
    return settings;
  }

  /// The worker, or null; for threads that a state change does not wait for.
  std::shared_ptr<Worker> share_worker() {
    std::lock_guard lock(settings_mutex);
    return worker;
  }
  void set_worker(std::shared_ptr<Worker> next) {
    std::lock_guard lock(settings_mutex);
    worker.swap(next);
  }

  GstLatentsync* self;
  std::mutex task_mutex;    ///< the source thread is not begun by a seek while it is being ended
  bool may_run = false;     ///< guarded by it
  std::mutex taking_mutex;  ///< held while a buffer is on its way from a pad into the state
  std::mutex settings_mutex;
  Settings settings;
  State state;
  std::mutex statistics_mutex;
  Statistics statistics;
  ModelInfo model;           ///< guarded by statistics_mutex; empty until it is loaded
  int load_percent = 0;      ///< of the worker's thread
  Engine* engine = nullptr;  ///< from NULL->READY on
  std::shared_ptr<Worker>
      worker;  ///< until the source thread has ended; other threads read it by share_worker()
};

}  // namespace latentsync

struct _GstLatentsync {
  GstAggregator parent;
  GstLatentsyncPad* video;
  GstLatentsyncPad* audio;
  latentsync::Element* element;
};

namespace latentsync {

inline GstAggregatorPad* video_pad(GstLatentsync* self) { return GST_AGGREGATOR_PAD(self->video); }
inline GstAggregatorPad* audio_pad(GstLatentsync* self) { return GST_AGGREGATOR_PAD(self->audio); }

// latentsync.cpp
GstAggregatorClass* base_class();

// latentsync_properties.cpp
void install_properties(GObjectClass* klass);

// latentsync_events.cpp
gboolean sink_event(GstAggregator* aggregator, GstAggregatorPad* pad, GstEvent* event);
gboolean src_event(GstAggregator* aggregator, GstEvent* event);
/// Sends what came between two frames of the video; at its place among them.
void send_event(GstLatentsync* self, EventPtr event);
/// Puts the video's STREAM_START in the place of the base class's own.
GstPadProbeReturn replace_stream_start(GstPad* pad, GstPadProbeInfo* info, gpointer self);
/// Tells the base class how long a frame stays here.
void update_latency(GstLatentsync* self);

// latentsync_seek.cpp
/// Takes the event.
gboolean seek(GstAggregator* aggregator, GstEvent* event);
/// Whether what feeds PAD says that it can seek in time.
bool is_seekable(GstAggregatorPad* pad);
/// A seek that a source refuses when it comes leaves the running time downstream as it is: nothing
/// begins anew.
GstPadProbeReturn keep_running_time(GstPad* pad, GstPadProbeInfo* info, gpointer self);

// latentsync_queries.cpp
gboolean sink_query(GstAggregator* aggregator, GstAggregatorPad* pad, GstQuery* query);
gboolean src_query(GstAggregator* aggregator, GstQuery* query);

// latentsync_input.cpp
/// What the sink pads hold, after tokens have been taken out.
struct PadsState {
  bool video_there = false;
  bool audio_there = false;
  bool video_wanted = false;
  bool audio_wanted = false;
  bool video_ended = false;
  bool audio_ended = false;
  bool video_flushing = false;
  bool audio_flushing = false;
  bool token = false;
  uint64_t video_flushes = 0;  ///< before this look: an end may have been flushed since
  uint64_t audio_flushes = 0;

  /// There is something to take, or was: look again.
  bool arrived() const {
    return token || (video_there && video_wanted) || (audio_there && audio_wanted);
  }
  /// Something wanted may still come, and the base class will wait for it.
  bool open() const {
    return (video_wanted && !video_there && !video_ended) ||
           (audio_wanted && !audio_there && !audio_ended);
  }
};
PadsState look_at_pads(GstLatentsync* self);

/// Has aggregate() called again for buffers that wait behind an event; before it returns.
void look_behind_events(GstLatentsync* self, const PadsState& pads);

/// Takes from the pads what is wanted; true where anything was there.
bool absorb(GstLatentsync* self);

// latentsync_process.cpp
/// Hands the oldest window to the worker, with as much of its audio as there is where it is to go
/// AS_IT_IS. False where the window or its audio is not complete, or the worker is busy.
bool submit(GstLatentsync* self, bool as_it_is);
/// Sends frames and events. FLUSHES: of the video, when they were taken out of the frame window.
GstFlowReturn send_group(GstLatentsync* self, FrameGroup group, uint64_t flushes);
/// Sends the events that no frame is in front of. False where there were none. Source thread.
bool send_waiting_events(GstLatentsync* self);
GstFlowReturn aggregate(GstAggregator* aggregator, gboolean timeout);
GstClockTime next_time(GstAggregator* aggregator);
/// A window's time at the video's rate.
GstClockTime window_duration(const State& state);

// latentsync_waiting.cpp
/// Looks for a pad that waits for the other one in vain. True where something was done about it.
bool watch_pads(GstLatentsync* self, const PadsState& pads, GstFlowReturn* flow);
/// Whether a seek has come to the audio's source, so that it may be on its way to the video's.
bool waits_for_flush(GstLatentsync* self, const PadsState& pads);
/// The whole audio is not there, and the video cannot wait for it: on as sliding. WHY: a sentence.
void give_up_whole_audio(GstLatentsync* self, const std::string& why);

// latentsync_messages.cpp
/// Posts the one error of a run; nothing more is rendered after it. With no lock held.
void post_failure(GstLatentsync* self, const Failure& failure);
/// A warning, once for each CAUSE and run.
void warn_once(GstLatentsync* self, const char* cause, const std::string& message,
               const std::string& detail = {});
void post_window(GstLatentsync* self, const Job& job, const WindowResult& result, double seconds);
void post_late(GstLatentsync* self, const Frame& frame);
GstStructure* statistics_structure(GstLatentsync* self);

}  // namespace latentsync
