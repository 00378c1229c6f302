// clang-format off: a launch line stays one line
/**
 * SECTION:element-latentsync
 * @title: latentsync
 *
 * Makes the mouth in a video follow an audio track, with the LatentSync latent-diffusion model.
 * Video comes in at video_sink and leaves at src, frame by frame, with its own timestamps; the
 * speech comes in at audio_sink as mono at 16 kHz and ends there. Both are matched by running time.
 * Whatever wants to be heard is split off before with a tee.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 latentsync name=l ! videoconvert ! autovideosink uridecodebin uri=file:///in.mp4 !
 * videoconvert ! queue ! l.video_sink uridecodebin uri=file:///speech.wav ! audioconvert !
 * audioresample ! queue ! l.audio_sink
 * ]|
 * A picture whose lips follow the speech of another file.
 * |[
 * gst-launch-1.0 latentsync name=l audio-context=whole ! videoconvert ! x264enc ! mp4mux name=m !
 * filesink location=out.mp4 uridecodebin uri=file:///in.mp4 ! videoconvert ! queue ! l.video_sink
 * uridecodebin uri=file:///speech.wav ! tee name=t t. ! queue max-size-time=0 max-size-bytes=0
 * max-size-buffers=0 ! audioconvert ! audioresample ! l.audio_sink t. ! queue max-size-time=0
 * max-size-bytes=0 max-size-buffers=0 ! audioconvert ! avenc_aac ! m.
 * ]|
 * A file, with all of the speech known before the first frame. The branch of the tee that leads to
 * the muxer needs a queue without limits, because the muxer waits for the video.
 *
 * Since: 0.1
 */
// clang-format on
#include "gst/latentsync.h"

#include "gst/debug.h"
#include "gst/engine_loader.h"
#include "gst/guard.h"
#include "gst/latentsync_private.h"

#include <random>

GST_DEBUG_CATEGORY(latentsync_debug);

#define VIDEO_FORMATS \
  "{ NV12, I420, P010_10LE, Y42B, Y444, YUY2, RGB, BGR, RGBA, BGRA, RGBx, BGRx }"
#define VIDEO_CAPS                                            \
  "video/x-raw, format = (string) " VIDEO_FORMATS             \
  ", width = (int) [ 1, 32768 ], height = (int) [ 1, 32768 ]" \
  ", framerate = (fraction) [ 0, max ]"
#define AUDIO_CAPS                                                                          \
  "audio/x-raw, format = (string) { F32LE, S16LE }, rate = (int) 16000, channels = (int) 1" \
  ", layout = (string) interleaved"

static GstStaticPadTemplate video_template = GST_STATIC_PAD_TEMPLATE(
    "video_sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(VIDEO_CAPS));
static GstStaticPadTemplate audio_template = GST_STATIC_PAD_TEMPLATE(
    "audio_sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(AUDIO_CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(VIDEO_CAPS));

G_DEFINE_FINAL_TYPE_WITH_CODE(GstLatentsync, gst_latentsync, GST_TYPE_AGGREGATOR,
                              G_IMPLEMENT_INTERFACE(GST_TYPE_PRESET, nullptr))
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE(latentsync, "latentsync", GST_RANK_NONE, GST_TYPE_LATENTSYNC,
                                      GST_DEBUG_CATEGORY_INIT(latentsync_debug, "latentsync", 0,
                                                              "lip synchronisation"));

GstAggregatorClass* latentsync::base_class() {
  return GST_AGGREGATOR_CLASS(gst_latentsync_parent_class);
}

void gst_latentsync_wake(GstLatentsync* self) {
  gst_latentsync_pads_wake(self->video, self->audio);
}

gboolean gst_latentsync_base_sink_event(GstLatentsync* self, GstAggregatorPad* pad,
                                        GstEvent* event) {
  return latentsync::base_class()->sink_event(GST_AGGREGATOR(self), pad, event);
}

/// An unlinked pad would be waited for without end.
static bool check_linked(GstLatentsync* self) {
  for (GstLatentsyncPad* pad : {self->video, self->audio}) {
    if (gst_pad_is_linked(GST_PAD(pad))) continue;
    GST_ELEMENT_ERROR(self, CORE, PAD,
                      ("%s is not linked: link it before the element starts. An element that adds "
                       "its pads later, as decodebin does, needs a queue between.",
                       GST_PAD_NAME(pad)),
                      (nullptr));
    return false;
  }
  return true;
}

static void let_run(latentsync::Element& element, bool may_run) {
  std::lock_guard lock(element.task_mutex);
  element.may_run = may_run;
}

static void set_pads_open(GstLatentsync* self, gboolean open) {
  gst_latentsync_pad_set_open(self->video, open);
  gst_latentsync_pad_set_open(self->audio, open);
}

static int64_t draw_seed() {
  std::random_device device;
  return (static_cast<int64_t>(device() & 0x7fffffff) << 32) | device();
}

static void reset_stream(latentsync::State& state, const latentsync::Settings& settings) {
  state.frames = latentsync::FrameWindow(settings.window_frames);
  state.audio =
      latentsync::AudioHistory(settings.audio_context == latentsync::AudioContext::kWhole);
  gst_segment_init(&state.video_segment, GST_FORMAT_TIME);
  gst_segment_init(&state.audio_segment, GST_FORMAT_TIME);
  gst_segment_init(&state.sent_segment, GST_FORMAT_TIME);
  state.format.reset();
  state.audio_resync = true;
  state.in_flight_ns.reset();
  state.video_end_ns.reset();
  state.video_flush = {};
  state.audio_flush = {};
  state.video_flush_due.reset();
  state.flushed = false;
  state.rest.reset();
  state.spare.reset();
  state.abandoned = false;
  state.context = state.asked_context = settings.audio_context;
  state.whole_audio_given = false;
  state.audio_ahead = latentsync::kAudioAhead;
  state.arrivals = 0;
  state.audio_renewed = false;
  state.alarm.reset();
  state.audio_held_back = false;
  state.stream_start.reset();
  state.stream_start_sent = false;
  state.caps_sent = false;
  state.ended = false;
  state.segment_pending = true;
  state.held_events.clear();
  state.seen_pool = nullptr;
  state.warned.clear();
  state.window_frames = settings.window_frames;
  state.lookahead_ns = settings.audio_lookahead;
  state.windows = 0;
  state.failed = false;
}

static gboolean gst_latentsync_start(GstAggregator* aggregator) {
  GstLatentsync* self = GST_LATENTSYNC(aggregator);
  latentsync::Element& element = *self->element;
  if (!check_linked(self)) return FALSE;
  const latentsync::Settings settings = element.snapshot();
  {
    std::lock_guard lock(element.state.mutex);
    reset_stream(element.state, settings);
  }
  {
    std::lock_guard lock(element.statistics_mutex);
    element.statistics = {};
    element.model = {};
  }
  if (const auto failure = check(settings)) {
    latentsync::post_failure(self, *failure);
    return FALSE;
  }
  element.state.seed = settings.seed < 0 ? draw_seed() : settings.seed;
  if (settings.seed < 0) {
    gst_element_post_message(
        GST_ELEMENT(self),
        gst_message_new_element(GST_OBJECT(self),
                                gst_structure_new("latentsync-seed", "seed", G_TYPE_INT64,
                                                  element.state.seed, nullptr)));
  }
  latentsync::update_latency(self);
  set_pads_open(self, TRUE);
  latentsync::Worker::Options options;
  options.model = model_settings(settings);
  options.render = render_settings(settings, element.state.seed);
  options.window_frames = settings.window_frames;
  options.context = settings.audio_context;
  options.lookahead_ns = static_cast<int64_t>(settings.audio_lookahead);
  element.set_worker(std::make_shared<latentsync::Worker>(*element.engine, element, options));
  let_run(element, true);
  return TRUE;
}

static GstFlowReturn gst_latentsync_flush(GstAggregator* aggregator) {
  GstLatentsync* self = GST_LATENTSYNC(aggregator);
  latentsync::Element& element = *self->element;
  const auto worker = element.share_worker();
  std::optional<latentsync::Outcome> dropped;
  if (worker) dropped = worker->reopen(element.state.asked_context);
  {
    // The pads have been emptied, each by its own flush: one of them may have got something since.
    std::lock_guard lock(element.state.mutex);
    latentsync::State& state = element.state;
    if (dropped) state.frames.keep_sticky_events(std::move(dropped->job.group));
    if (state.rest) state.frames.keep_sticky_events(std::move(*state.rest));
    state.rest.reset();
    state.spare.reset();
    state.abandoned = false;
    state.in_flight_ns.reset();
    state.context = state.asked_context;
    state.whole_audio_given = false;
    state.audio_renewed = false;
    state.alarm.reset();
    state.audio_held_back = false;
    state.segment_pending = true;
    state.ended = false;
    state.flushed = true;
  }
  if (worker) worker->interrupt(false);
  return GST_FLOW_OK;
}

/// After the base class's stop: that joins the source thread, which a late FLUSH_STOP may have
/// begun again, only after it has called the one of this class.
static void end_stream(latentsync::Element& element) {
  element.set_worker(nullptr);
  std::lock_guard lock(element.state.mutex);
  reset_stream(element.state, element.snapshot());
}

static GstStateChangeReturn gst_latentsync_change_state(GstElement* base,
                                                        GstStateChange transition) {
  GstLatentsync* self = GST_LATENTSYNC(base);
  latentsync::Element& element = *self->element;
  if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
    auto engine = latentsync::load_engine();
    if (!engine) {
      element.state.failed = false;
      latentsync::post_failure(self, engine.failure());
      return GST_STATE_CHANGE_FAILURE;
    }
    element.engine = *engine;
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY && element.worker) {
    // Before the base class joins the source thread.
    element.worker->cancel();
    set_pads_open(self, FALSE);
    let_run(element, false);
  }
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_latentsync_parent_class)->change_state(base, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY && result != GST_STATE_CHANGE_FAILURE) {
    end_stream(element);
  }
  return result;
}

static void gst_latentsync_finalize(GObject* object) {
  delete GST_LATENTSYNC(object)->element;
  G_OBJECT_CLASS(gst_latentsync_parent_class)->finalize(object);
}

static void gst_latentsync_class_init(GstLatentsyncClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  auto* element_class = GST_ELEMENT_CLASS(klass);
  auto* aggregator_class = GST_AGGREGATOR_CLASS(klass);

  object_class->finalize = gst_latentsync_finalize;
  latentsync::install_properties(object_class);

  gst_element_class_add_static_pad_template_with_gtype(element_class, &video_template,
                                                       GST_TYPE_LATENTSYNC_PAD);
  gst_element_class_add_static_pad_template_with_gtype(element_class, &audio_template,
                                                       GST_TYPE_LATENTSYNC_PAD);
  gst_element_class_add_static_pad_template_with_gtype(element_class, &src_template,
                                                       GST_TYPE_AGGREGATOR_PAD);
  gst_element_class_set_static_metadata(
      element_class, "LatentSync lip synchronisation", "Filter/Effect/Video/Audio",
      "Makes the mouth in a video follow an audio track", "The latentsync project");
  element_class->change_state = GST_DEBUG_FUNCPTR(
      (latentsync::Guarded<gst_latentsync_change_state, GST_STATE_CHANGE_FAILURE>::call));

  aggregator_class->start =
      GST_DEBUG_FUNCPTR((latentsync::Guarded<gst_latentsync_start, FALSE>::call));
  aggregator_class->flush =
      GST_DEBUG_FUNCPTR((latentsync::Guarded<gst_latentsync_flush, GST_FLOW_ERROR>::call));
  aggregator_class->aggregate = latentsync::aggregate;
  aggregator_class->get_next_time = latentsync::next_time;
  aggregator_class->sink_event = latentsync::Guarded<latentsync::sink_event, FALSE>::call;
  aggregator_class->src_event = latentsync::Guarded<latentsync::src_event, FALSE>::call;
  aggregator_class->sink_query = latentsync::Guarded<latentsync::sink_query, FALSE>::call;
  aggregator_class->src_query = latentsync::Guarded<latentsync::src_query, FALSE>::call;
  // The caps of src are those of the video, set at their place between the frames.
  aggregator_class->negotiate = nullptr;

  gst_type_mark_as_plugin_api(GST_TYPE_LATENTSYNC_PAD, static_cast<GstPluginAPIFlags>(0));
}

static GstLatentsyncPad* add_pad(GstLatentsync* self, const char* name) {
  GstPadTemplate* pad_template =
      gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(self), name);
  auto* pad = GST_LATENTSYNC_PAD(g_object_new(GST_TYPE_LATENTSYNC_PAD, "name", name, "direction",
                                              GST_PAD_SINK, "template", pad_template, nullptr));
  gst_element_add_pad(GST_ELEMENT(self), GST_PAD(pad));
  return pad;
}

static void gst_latentsync_init(GstLatentsync* self) {
  self->element = new latentsync::Element(self);
  self->element->settings.model_path = latentsync::default_model_path();
  self->video = add_pad(self, "video_sink");
  self->audio = add_pad(self, "audio_sink");
  gst_pad_add_probe(GST_AGGREGATOR_SRC_PAD(self), GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
                    latentsync::replace_stream_start, self, nullptr);
  gst_pad_add_probe(GST_AGGREGATOR_SRC_PAD(self), GST_PAD_PROBE_TYPE_EVENT_FLUSH,
                    latentsync::keep_running_time, self, nullptr);
}
