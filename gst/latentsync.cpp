// A launch line keeps its line breaks.
// clang-format off
/**
 * SECTION:element-latentsync
 * @title: latentsync
 * @short_description: makes the mouth in a video follow an audio track
 *
 * Edits the mouth in a video so that it follows an audio track, with the LatentSync
 * latent-diffusion model. Video arrives at video_sink and is output at src, frame by frame, with
 * its own timestamps. The speech arrives at audio_sink, in any rate and format, and is output as it
 * came at the request pad audio_src, each buffer when the video of its time leaves. Both are matched
 * by running time.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 latentsync name=l ! videoconvert ! autovideosink \
 *   uridecodebin uri=file:///in.mp4 ! videoconvert ! queue ! l.video_sink \
 *   uridecodebin uri=file:///speech.wav ! queue ! l.audio_sink \
 *   l.audio_src ! queue ! audioconvert ! autoaudiosink
 * ]|
 * Plays a video whose lips follow the speech of another file.
 * |[
 * gst-launch-1.0 latentsync name=l audio-context=whole ! videoconvert ! x264enc ! mp4mux name=m ! \
 *   filesink location=out.mp4 \
 *   uridecodebin uri=file:///in.mp4 ! videoconvert ! queue ! l.video_sink \
 *   uridecodebin uri=file:///speech.wav ! queue ! l.audio_sink \
 *   l.audio_src ! queue ! audioconvert ! avenc_aac ! m.
 * ]|
 * Writes a file, with all of the speech known before the first frame.
 *
 * ## Messages
 * - element message `latentsync-window`, for each rendered window: `index` (#guint64), `pts`
 *   (#guint64), `running-time` (#gint64), `stream-time` (#gint64), `frames` (#gint), `edited`
 *   (#gint), `passed` (#gint), `faces` (#gint), `discontinuity` (#gboolean), `cached` (#gboolean:
 *   #GstLatentsync:disk-cache had it, nothing was denoised), `seconds` (#gdouble), `seconds-face`,
 *   `-audio`, `-encode`, `-denoise`, `-decode`, `-paste` (#gdouble), `rung` (#gchararray),
 *   `memory-peak` (bytes, #gint64), and `results`, an array of one structure `frame` for each frame:
 *   `stream-time` (#gint64), `outcome` (#gchararray: edited, no-face, implausible), `confidence`
 *   that it is a face (#gdouble, 0 to 1), `weight` of the edit (#gdouble, 0 to 1), the box around
 *   the face in pixels `left`, `top`, `width`, `height` (#gdouble) where one was found, and with
 *   #GstLatentsync:measure-mouths `mouth-opening` (#gdouble: the distance of the inner lips in parts
 *   of the mouth's width), where a mouth was edited and is seen.
 * - element message `latentsync-plan`, before the model is loaded and when the rung has changed:
 *   how windows are fitted into the memory. `device`, `precision` (#gchararray), `resolution`
 *   (#gint64), `total`, `free` (of the device; -1: not known) and `budget` (bytes, #gint64), `fits`
 *   (#gboolean), `rung` (#gchararray: its last measure, whole where there is none), what it needs:
 *   `peak`, `weights`, `workspaces`, `frames` (bytes, #gint64) and `stages` (a structure with the
 *   bytes of each stage), and `rungs`, an array of structures `rung` with all that the settings
 *   allow, in order.
 * - element message `latentsync-seed`: the `seed` (#gint64) that was drawn for #GstLatentsync:seed
 *   = -1.
 * - progress `model-load`, with `percent` (#gint).
 * - QoS, for each frame that a live pipeline gets after a missed deadline.
 * - warnings and errors with details: `cause` (#gchararray).
 *
 * Since: 0.1
 */
// clang-format on
#include "gst/latentsync.h"

#include "gst/bin/latentsyncbin.h"
#include "gst/debug.h"
#include "gst/element.h"
#include "gst/plan_structure.h"
#include "gst/render/engine_loader.h"

#include <algorithm>
#include <gst/audio/audio.h>
#include <random>
#include <utility>

GST_DEBUG_CATEGORY(latentsync_debug);

#define VIDEO_FORMATS                                                           \
  "{ NV12, I420, P010_10LE, Y42B, Y444, YUY2, RGB, BGR, RGBA, BGRA, RGBx, BGRx" \
  ", I420_10LE, I422_10LE, Y444_10LE, UYVY, v210, A420, ARGB, ABGR, xRGB, xBGR" \
  ", A420_10LE, A422_10LE, A444_10LE, GBR, GBRA, GBR_10LE, GBRA_10LE }"
// Those of them that GStreamer's CUDA library allocates, in every version.
#define DEVICE_FORMATS                                                          \
  "{ NV12, I420, P010_10LE, Y42B, Y444, YUY2, RGB, BGR, RGBA, BGRA, RGBx, BGRx" \
  ", I420_10LE, I422_10LE, UYVY, ARGB, ABGR, GBR, GBRA }"
#define VIDEO_SIZES                                           \
  ", width = (int) [ 1, 32768 ], height = (int) [ 1, 32768 ]" \
  ", framerate = (fraction) [ 0, max ]"
#define VIDEO_CAPS                                            \
  "video/x-raw, format = (string) " VIDEO_FORMATS VIDEO_SIZES \
  "; video/x-raw(memory:CUDAMemory), format = (string) " DEVICE_FORMATS VIDEO_SIZES
#define AUDIO_CAPS GST_AUDIO_CAPS_MAKE(GST_AUDIO_FORMATS_ALL) ", layout = (string) interleaved"

static GstStaticPadTemplate video_template = GST_STATIC_PAD_TEMPLATE(
    "video_sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(VIDEO_CAPS));
static GstStaticPadTemplate audio_template = GST_STATIC_PAD_TEMPLATE(
    "audio_sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(AUDIO_CAPS));
static GstStaticPadTemplate audio_src_template =
    GST_STATIC_PAD_TEMPLATE("audio_src", GST_PAD_SRC, GST_PAD_REQUEST, GST_STATIC_CAPS(AUDIO_CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(VIDEO_CAPS));

G_DEFINE_FINAL_TYPE_WITH_CODE(GstLatentsync, gst_latentsync, GST_TYPE_ELEMENT,
                              G_IMPLEMENT_INTERFACE(GST_TYPE_PRESET, nullptr))
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE(latentsync, "latentsync", GST_RANK_NONE, GST_TYPE_LATENTSYNC,
                                      GST_DEBUG_CATEGORY_INIT(latentsync_debug, "latentsync", 0,
                                                              "lip synchronisation"));

namespace latentsync {

void Element::fail(const Failure& failure) {
  GST_ERROR_OBJECT(self, "%s (%s)", failure.message.c_str(), failure.detail.c_str());
  reporter.post_failure(failure);
  const std::lock_guard lock(monitor->mutex);
  monitor->notify();
}

void Element::plan_made(const MemoryPlan& plan) {
  reporter.post_plan(plan);
  const int frames = window_frames_of(plan);
  bool latency_changed;
  {
    const std::lock_guard lock(monitor->mutex);
    if (frames >= input.video.window_frames()) return;
    input.video.limit_window(frames);
    latency_changed = update_own_latency(*this);
    monitor->notify();
  }
  reporter.warn_once(
      Topic::kMemory, ("window-" + std::to_string(frames)).c_str(),
      "Memory suffices for windows of " + std::to_string(frames) +
          " frames: the result differs from that of longer ones. Raise vram-budget, free memory, "
          "or set window-frames=" +
          std::to_string(frames) + ".");
  if (latency_changed) post_latency(*this);
}

void Element::load_begins() {
  load_percent = 0;
  reporter.post_load(GST_PROGRESS_TYPE_START, "Loading " + model_settings.folder, 0);
}

void Element::model_loading(double part, const char* what) {
  // A model has a thousand tensors; nobody wants as many messages.
  const int percent = std::clamp(static_cast<int>(100 * part), 0, 99);
  if (percent / 5 == load_percent / 5) return;
  load_percent = percent;
  reporter.post_load(GST_PROGRESS_TYPE_CONTINUE, what ? what : "", percent);
}

void Element::model_loaded(const ModelInfo& info, const RenderSettings& resolved, bool was_loaded) {
  reporter.set_model(info, resolved);
  model_is_elsewhere = info.device == "cpu";
  GST_DEBUG_OBJECT(self, "model %s on %s in %s%s", info.name.c_str(), info.device.c_str(),
                   info.precision.c_str(), was_loaded ? ", still loaded" : "");
  if (!was_loaded) {
    reporter.post_load(GST_PROGRESS_TYPE_COMPLETE, Reporter::in_force(info, resolved), 100);
  }
  for (size_t number = 0; number < info.warnings.size(); ++number) {
    const std::string cause = "model-" + std::to_string(number);
    reporter.warn_once(Topic::kStream, cause.c_str(), info.warnings[number]);
  }
}

void Element::window_progress(const Job& job, const RenderProgress& progress) {
  reporter.post_progress(job, progress);
}

void Element::cache_finished(const std::string& warning) { reporter.warn_cache(warning); }

void Element::model_failed(const Failure& failure) {
  const bool cancelled = failure.code == ErrorCode::kCancelled;
  reporter.post_load(cancelled ? GST_PROGRESS_TYPE_CANCELED : GST_PROGRESS_TYPE_ERROR,
                     failure.message, load_percent);
  if (!cancelled) fail(failure);
}

void Element::worker_changed() {
  const std::lock_guard lock(monitor->mutex);
  monitor->notify();
}

static void run_turn(gpointer data) {
  Element& element = *static_cast<Element*>(data);
  try {
    element.source.turn();
  } catch (...) {
    element.fail(current_failure());
  }
}

void Element::start_task() {
  const std::lock_guard lock(task_mutex);
  if (!may_run) return;
  gst_pad_start_task(pads.src, run_turn, this, nullptr);
}

namespace {

int64_t draw_seed() {
  std::random_device device;
  return (static_cast<int64_t>(device() & 0x7fffffff) << 32) | device();
}

void sync_controlled(gpointer object, GstClockTime time) {
  if (!gst_object_has_active_control_bindings(GST_OBJECT(object))) return;
  gst_object_sync_values(GST_OBJECT(object), time);
}

/// The properties for a window that begins at this stream time.
Settings settings_at(Element& element, GstClockTime time) {
  // A bin passes its properties on to this element.
  GstObject* parent = gst_object_get_parent(GST_OBJECT(element.self));
  if (parent && GST_IS_LATENTSYNC_BIN(parent)) sync_controlled(parent, time);
  gst_clear_object(&parent);
  sync_controlled(element.self, time);
  return element.snapshot();
}

std::shared_ptr<Worker> new_worker(Element& element, const Settings& settings, int64_t seed) {
  Worker::Options options;
  options.request = plan_request(settings, seed);
  if (!(options.request.model == element.model_settings)) element.model.reset();
  element.model_settings = options.request.model;
  options.loaded = element.model;
  options.context = settings.audio_context;
  options.lookahead_ns = static_cast<int64_t>(settings.audio_lookahead);
  options.cache = settings.disk_cache;
  options.cuda = element.cuda_context();
  return std::make_shared<Worker>(*element.engine, element, options);
}

/// READY to PAUSED, before the pads are active.
bool start(Element& element) {
  const Settings settings = element.snapshot();
  element.reporter.start();
  if (const auto failure = check(settings)) {
    element.fail(*failure);
    return false;
  }
  const int64_t seed = settings.seed < 0 ? draw_seed() : settings.seed;
  if (settings.seed < 0) element.reporter.post_seed(seed);
  element.ask_latency = true;
  element.model_is_elsewhere = false;
  element.seek_seqnum = GST_SEQNUM_INVALID;
  {
    const std::lock_guard lock(element.monitor->mutex);
    element.input.start(settings.window_frames, settings.audio_lookahead,
                        settings.audio_context == AudioContext::kWhole);
  }
  // Its plan may shorten the windows at once.
  element.worker = new_worker(element, settings, seed);
  {
    const std::lock_guard lock(element.monitor->mutex);
    element.source.start({element.worker, settings.audio_context, seed, settings.late_policy,
                          static_cast<int64_t>(settings.render_latency),
                          [&element](GstClockTime time) { return settings_at(element, time); }});
    element.audio_output.start();
    update_own_latency(element);
  }
  const std::lock_guard lock(element.task_mutex);
  element.may_run = true;
  return true;
}

/// Before the pads are deactivated: everyone who waits returns.
void begin_stop(Element& element) {
  if (element.worker) element.worker->cancel();
  {
    const std::lock_guard lock(element.monitor->mutex);
    element.source.stop();
    element.audio_output.stop();
  }
  const std::lock_guard lock(element.task_mutex);
  element.may_run = false;
}

/// After the task and the streaming threads have ended.
void end_stop(Element& element) {
  if (element.worker) element.model = element.worker->model();
  {
    const std::lock_guard lock(element.monitor->mutex);
    const int frames = element.input.video.frames();
    element.source.reset();
    element.audio_output.reset();
    element.reporter.count_dropped(frames);
    element.input.start(1, 0, false);
  }
  element.worker.reset();
  element.pools.reset();
  element.speech = {};
}

bool load_engine(Element& element) {
  auto engine = latentsync::load_engine();
  if (!engine) {
    element.reporter.start();
    element.fail(engine.failure());
    return false;
  }
  element.engine = *engine;
  return true;
}

void play(Element& element) {
  ClockPtr clock(gst_element_get_clock(element.self));
  const GstClockTime base = gst_element_get_base_time(element.self);
  const std::lock_guard lock(element.monitor->mutex);
  element.source.timing().play(std::move(clock), base);
  element.monitor->notify();
}

void pause(Element& element) {
  const std::lock_guard lock(element.monitor->mutex);
  element.source.timing().pause();
  element.monitor->notify();
}

GstStateChangeReturn change_state(Element& element, GstStateChange transition) {
  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (!load_engine(element)) return GST_STATE_CHANGE_FAILURE;
      find_device(element);
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (!start(element)) return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_PAUSED_TO_PLAYING:
      play(element);
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      pause(element);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      begin_stop(element);
      break;
    default:
      break;
  }
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_latentsync_parent_class)->change_state(element.self, transition);
  const bool failed = result == GST_STATE_CHANGE_FAILURE;
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && failed) {
    begin_stop(element);
    end_stop(element);
  }
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY && !failed) end_stop(element);
  if (transition == GST_STATE_CHANGE_READY_TO_NULL) {
    element.model.reset();
    forget_device(element);
  }
  return result;
}

/// Events from an application. By default they would go to one of the sources alone, or leave
/// before the frames that are held.
gboolean send_event(Element& element, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS) return end_stream(element, event);
  if (GST_EVENT_IS_UPSTREAM(event)) return src_event(element, element.pads.src, event);
  return GST_ELEMENT_CLASS(gst_latentsync_parent_class)->send_event(element.self, event);
}

gboolean activate_src(GstPad* pad, GstObject* parent, GstPadMode mode, gboolean active) {
  if (mode != GST_PAD_MODE_PUSH) return FALSE;
  if (!active) return gst_pad_stop_task(pad);
  element_of(parent).start_task();
  return TRUE;
}

/// A pad that is linked late may be live.
void link_changed(GstPad*, GstPad*, gpointer data) {
  Element& element = element_of(data);
  element.ask_latency = true;
  element.worker_changed();
}

GstPad* request_new_pad(GstElement* self, GstPadTemplate* pad_template, const gchar*,
                        const GstCaps*) noexcept {
  Element& element = element_of(self);
  try {
    return request_audio_pad(element, pad_template);
  } catch (...) {
    element.fail(current_failure());
    return nullptr;
  }
}

void release_pad(GstElement* self, GstPad* pad) noexcept {
  Element& element = element_of(self);
  try {
    release_audio_pad(element, pad);
  } catch (...) {
    element.fail(current_failure());
  }
}

}  // namespace
}  // namespace latentsync

static void gst_latentsync_finalize(GObject* object) {
  delete GST_LATENTSYNC(object)->element;
  G_OBJECT_CLASS(gst_latentsync_parent_class)->finalize(object);
}

static void gst_latentsync_class_init(GstLatentsyncClass* klass) {
  using namespace latentsync;
  auto* object_class = G_OBJECT_CLASS(klass);
  auto* element_class = GST_ELEMENT_CLASS(klass);
  object_class->finalize = gst_latentsync_finalize;
  install_properties(object_class);
  install_plan_action(object_class);
  gst_element_class_add_static_pad_template(element_class, &video_template);
  gst_element_class_add_static_pad_template(element_class, &audio_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_add_static_pad_template(element_class, &audio_src_template);
  gst_element_class_set_static_metadata(
      element_class, "LatentSync lip synchronisation", "Filter/Effect/Video",
      "Makes the mouth in a video follow an audio track", "The latentsync project");
  element_class->request_new_pad = request_new_pad;
  element_class->release_pad = release_pad;
  element_class->change_state = GST_DEBUG_FUNCPTR(
      (ElementFunction<latentsync::change_state, GST_STATE_CHANGE_FAILURE>::call));
  element_class->send_event =
      GST_DEBUG_FUNCPTR((ElementFunction<latentsync::send_event, FALSE>::call));
}

static GstPad* add_pad(GstLatentsync* self, GstStaticPadTemplate* pad_template) {
  GstPad* pad = gst_pad_new_from_static_template(pad_template, pad_template->name_template);
  gst_element_add_pad(GST_ELEMENT(self), pad);
  return pad;
}

static void set_up_sink(GstLatentsync* self, GstPad* pad, GstPadChainFunction chain) {
  using namespace latentsync;
  gst_pad_set_chain_function(pad, chain);
  gst_pad_set_event_function(pad, (PadFunction<sink_event, FALSE>::call));
  gst_pad_set_query_function(pad, (PadFunction<sink_query, FALSE>::call));
  g_signal_connect(pad, "linked", G_CALLBACK(link_changed), self);
  g_signal_connect(pad, "unlinked", G_CALLBACK(link_changed), self);
}

static void gst_latentsync_init(GstLatentsync* self) {
  using namespace latentsync;
  const Source::Pads pads{add_pad(self, &video_template), add_pad(self, &audio_template),
                          add_pad(self, &src_template)};
  self->element = new Element(GST_ELEMENT(self), pads);
  set_up_sink(self, pads.video, (PadFunction<chain_video, GST_FLOW_ERROR>::call));
  set_up_sink(self, pads.audio, (PadFunction<chain_audio, GST_FLOW_ERROR>::call));
  gst_pad_set_activatemode_function(pads.src, activate_src);
  gst_pad_set_event_function(pads.src, (PadFunction<src_event, FALSE>::call));
  gst_pad_set_query_function(pads.src, (PadFunction<src_query, FALSE>::call));
}
