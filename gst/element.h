#pragma once

#include "gst/cuda/device.h"
#include "gst/guard.h"
#include "gst/input/input.h"
#include "gst/input/pool_check.h"
#include "gst/latentsync.h"
#include "gst/monitor.h"
#include "gst/output/audio_output.h"
#include "gst/output/source.h"
#include "gst/render/worker.h"
#include "gst/reporter.h"
#include "gst/settings.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

/// The element above its rooms: what its pads and states do with them.
namespace latentsync {

struct Element final : WorkerListener {
  Element(GstElement* owner, Source::Pads owned_pads)
      : self(owner),
        pads(owned_pads),
        reporter(owner),
        source(monitor, input, reporter, owner, owned_pads),
        audio_output(monitor, source, reporter, owner) {}

  // From the worker's thread.
  void plan_made(const MemoryPlan& plan) override;
  void load_begins() override;
  void model_loading(double part, const char* what) override;
  void model_loaded(const ModelInfo& info, const RenderSettings& resolved,
                    bool was_loaded) override;
  void window_progress(const Job& job, const RenderProgress& progress) override;
  void cache_finished(const std::string& warning) override;
  void model_failed(const Failure& failure) override;
  void worker_changed() override;

  bool is_video(const GstPad* pad) const { return pad == pads.video; }

  /// Null where there is no device, or none is to be used.
  std::shared_ptr<cuda::PrimaryContext> cuda_context() const {
    const std::lock_guard lock(cuda_mutex);
    return cuda;
  }

  Settings snapshot() {
    std::lock_guard lock(settings_mutex);
    return settings;
  }

  /// Posts the run's one error; every thread that waits returns. With no lock held.
  void fail(const Failure& failure);
  /// Starts the source task, unless the element is on its way to READY.
  void start_task();
  /// The same of audio_src, where there is one.
  void start_audio_task();

  GstElement* const self;
  const Source::Pads pads;

  const MonitorPtr monitor = std::make_shared<Monitor>();
  Input input;  ///< guarded by the monitor
  Reporter reporter;
  Source source;             ///< guarded by the monitor, but for turn()
  AudioOutput audio_output;  ///< likewise
  PoolCheck pools;           ///< of video_sink's streaming thread
  SpeechReader speech;       ///< of audio_sink's streaming thread

  std::mutex settings_mutex;
  Settings settings;

  std::mutex task_mutex;  ///< the task is not started by a flush while it is being ended
  bool may_run = false;   ///< guarded by it

  /// Upstream's latency has to be looked up: at the first buffer, and after a pad was linked.
  std::atomic<bool> ask_latency = true;

  mutable std::mutex cuda_mutex;
  std::shared_ptr<cuda::PrimaryContext> cuda;  ///< guarded by it; from NULL->READY to NULL
  /// The model is not on that device, which "auto" may mean.
  std::atomic<bool> model_is_elsewhere = false;

  std::mutex seek_mutex;  ///< guards the last seek; not held while it is made
  guint32 seek_seqnum = GST_SEQNUM_INVALID;
  bool seek_result = false;

  // Of the thread that changes the state.
  Engine* engine = nullptr;  ///< from NULL->READY on
  std::shared_ptr<Worker> worker;
  std::shared_ptr<Model> model;  ///< from the first load to NULL, for the next start
  ModelSettings model_settings;  ///< what it was loaded with
  int load_percent = 0;          ///< of the worker's thread
};

}  // namespace latentsync

struct _GstLatentsync {
  GstElement parent;
  latentsync::Element* element;
};

namespace latentsync {

inline Element& element_of(gpointer object) { return *GST_LATENTSYNC(object)->element; }

/// FUNCTION(element, pad, argument) as a function of a pad: what it throws is posted, and FAILED
/// returned. What it was to take over may be leaked then.
template <auto kFunction, auto kFailed>
struct PadFunction;

template <typename Return, typename Argument, Return (*kFunction)(Element&, GstPad*, Argument*),
          auto kFailed>
struct PadFunction<kFunction, kFailed> {
  static Return call(GstPad* pad, GstObject* parent, Argument* argument) noexcept {
    Element& element = element_of(parent);
    try {
      return kFunction(element, pad, argument);
    } catch (...) {
      element.fail(current_failure());
      return kFailed;
    }
  }
};

/// The same for functions of the element.
template <auto kFunction, auto kFailed>
struct ElementFunction;

template <typename Return, typename Argument, Return (*kFunction)(Element&, Argument), auto kFailed>
struct ElementFunction<kFunction, kFailed> {
  static Return call(GstElement* self, Argument argument) noexcept {
    Element& element = element_of(self);
    try {
      return kFunction(element, argument);
    } catch (...) {
      element.fail(current_failure());
      return kFailed;
    }
  }
};

// properties.cpp
void install_properties(GObjectClass* klass);

// plan_action.cpp
void install_plan_action(GObjectClass* klass);

// chain.cpp
GstFlowReturn chain_video(Element& element, GstPad* pad, GstBuffer* buffer);
/// The run of audio that is being converted has ended.
std::optional<Failure> end_run(Element& element);
GstFlowReturn chain_audio(Element& element, GstPad* pad, GstBuffer* buffer);

// events.cpp
gboolean sink_event(Element& element, GstPad* pad, GstEvent* event);
gboolean src_event(Element& element, GstPad* pad, GstEvent* event);
/// EOS that an application sends: what has arrived so far is output.
gboolean end_stream(Element& element, GstEvent* event);

// audio_pad.cpp
/// Null where there is one already.
GstPad* request_audio_pad(Element& element, GstPadTemplate* pad_template);
void release_audio_pad(Element& element, GstPad* pad);
/// FLUSH_START and FLUSH_STOP that arrive at audio_sink.
gboolean flush_audio(Element& element, EventPtr event);

// seek.cpp
/// Takes the event.
gboolean seek(Element& element, GstEvent* event);
/// Whether what feeds PAD says that it can seek in time.
bool is_seekable(GstPad* pad);

// queries.cpp
gboolean sink_query(Element& element, GstPad* pad, GstQuery* query);
gboolean src_query(Element& element, GstPad* pad, GstQuery* query);
/// The pad by which what arrives leaves; null for audio without audio_src.
PadPtr way_out(Element& element, bool video);
/// Of a source pad; what the element does not answer itself is SINK's source's.
gboolean answer_downstream(Element& element, GstPad* pad, GstPad* sink, GstQuery* query);

// contexts.cpp
/// NULL to READY: which GPU is to be used, if any, and by which context.
void find_device(Element& element);
void forget_device(Element& element);
/// A CONTEXT query; false where it is about something else, or there is no device.
bool answer_context(Element& element, GstQuery* query);
/// Bytes of the GPU's memory that a frame of CAPS takes.
int64_t device_frame_bytes(Element& element, GstCaps* caps, const GstVideoInfo& format);
/// The pools of an ALLOCATION query for CAPS of device memory: those that are of the element's
/// context, or one of the element's own, with room for HELD buffers.
void answer_device_allocation(Element& element, GstQuery* query, GstCaps* caps, guint held);
/// Posts a warning, once, for a frame in device memory that has to be copied to be edited.
void look_at_memory(Element& element, GstBuffer* buffer);

// latency.cpp
/// Asks upstream anew.
void look_up_latency(Element& element);
gboolean answer_latency(Element& element, GstQuery* query);
/// The caps or the frame rate may have changed what the element adds. With the lock held; whether
/// post_latency() has to be called when it is not held any more.
bool update_own_latency(Element& element);
void post_latency(Element& element);

}  // namespace latentsync
