// A launch line keeps its line breaks.
// clang-format off
/**
 * SECTION:element-latentsyncbin
 * @title: latentsyncbin
 * @short_description: #element-latentsync with one sink and one source pad
 *
 * A video filter that reads the speech itself, from #GstLatentsyncBin:audio-uri or
 * #GstLatentsyncBin:audio-channel: for playbin,
 * uritranscodebin, GES, GstPlay, and whatever else takes a filter with one sink and one source pad.
 * The speech follows the video's own segments: seeks of any kind, loops, and the cuts of a timeline.
 * The properties, presets and messages of #element-latentsync are the bin's, too.
 *
 * An application may bring the speech by the request pad audio-sink instead. Without any speech
 * frames pass through, with a warning.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 uridecodebin uri=file:///in.mp4 ! videoconvert ! \
 *   latentsyncbin audio-uri=file:///speech.wav ! videoconvert ! autovideosink
 * ]|
 * Plays a video whose lips follow the speech of another file.
 *
 * Since: 0.1
 */
// clang-format on
#include "gst/bin/latentsyncbin.h"

#include "gst/bin/speech_bin.h"
#include "gst/debug.h"
#include "gst/guard.h"
#include "gst/latentsync.h"

#include <utility>

static void init_presets(gpointer interface, gpointer) {
  latentsync::init_bin_presets(static_cast<GstPresetInterface*>(interface));
}

G_DEFINE_FINAL_TYPE_WITH_CODE(GstLatentsyncBin, gst_latentsync_bin, GST_TYPE_BIN,
                              G_IMPLEMENT_INTERFACE(GST_TYPE_PRESET, init_presets))
GST_ELEMENT_REGISTER_DEFINE(latentsyncbin, "latentsyncbin", GST_RANK_NONE, GST_TYPE_LATENTSYNC_BIN);

namespace latentsync {
namespace {

void post(SpeechBin& bin, GstMessageType type, const SpeechFailure& failure, const char* cause) {
  GstStructure* details =
      gst_structure_new("latentsync-details", "cause", G_TYPE_STRING, cause, nullptr);
  gst_element_message_full_with_details(
      GST_ELEMENT(bin.self), type, failure.domain, failure.code, g_strdup(failure.message.c_str()),
      g_strdup(failure.debug.c_str()), __FILE__, __func__, __LINE__, details);
}

/// From the feed's thread.
void speech_failed(SpeechBin& bin, const SpeechFailure& failure) {
  OnAudioError choice;
  std::string name, value;
  {
    const std::lock_guard lock(bin.mutex);
    choice = bin.settings.on_audio_error;
    const bool channel = bin.source == SpeechSource::kChannel;
    name = channel ? "audio-channel" : "audio-uri";
    value = channel ? bin.settings.audio_channel : bin.settings.audio_uri;
  }
  const bool fatal = choice == OnAudioError::kError;
  SpeechFailure told = failure;
  told.message =
      "The speech of " + name + "=" + value + " cannot be read: " + failure.message + ". " +
      (fatal ? "Correct " + name + ", or set on-audio-error=pass-through to go on without."
       : choice == OnAudioError::kSilence
           ? "It is silence from here on. Correct " + name + "."
           : "Frames pass through unedited from here on. Correct " + name + ".");
  if (choice == OnAudioError::kPassThrough) pass_frames(bin, true);
  post(bin, fatal ? GST_MESSAGE_ERROR : GST_MESSAGE_WARNING, told, name.c_str());
}

SpeechFeed::Options feed_options(SpeechBin& bin) {
  SpeechFeed::Options options;
  guint64 lookahead = 0;
  gint context = 0;
  g_object_get(bin.element, "audio-lookahead", &lookahead, "audio-context", &context, nullptr);
  options.lookahead = static_cast<int64_t>(lookahead);
  options.whole = context == static_cast<int>(AudioContext::kWhole);
  const std::lock_guard lock(bin.mutex);
  options.source.uri = bin.settings.audio_uri;
  options.source.stream = bin.settings.audio_stream;
  options.source.filter = bin.settings.audio_filter.get();
  options.offset = bin.settings.audio_offset;
  return options;
}

ChannelFeed::Options channel_options(SpeechBin& bin) {
  ChannelFeed::Options options;
  guint64 lookahead = 0;
  guint frames = 0;
  g_object_get(bin.element, "audio-lookahead", &lookahead, "window-frames", &frames, nullptr);
  options.lookahead = static_cast<int64_t>(lookahead);
  options.window_frames = frames;
  options.host = GST_ELEMENT(bin.self);
  const std::lock_guard lock(bin.mutex);
  options.source.channel = bin.settings.audio_channel;
  options.source.filter = bin.settings.audio_filter.get();
  options.offset = bin.settings.audio_offset;
  return options;
}

/// Nothing has come by the channel yet. Nobody waits for it.
void tell_quiet(SpeechBin& bin) {
  std::string channel;
  {
    const std::lock_guard lock(bin.mutex);
    channel = bin.settings.audio_channel;
  }
  post(bin, GST_MESSAGE_WARNING,
       {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
        "Nothing has come by audio-channel=" + channel +
            " for 2 s: the speech is silence until something does. Start an interaudiosink "
            "channel=" +
            channel + " in this process.",
        ""},
       "audio-channel");
}

/// Settings that contradict each other; empty where none do.
std::string contradiction(SpeechBin& bin) {
  gint context = 0;
  g_object_get(bin.element, "audio-context", &context, nullptr);
  const std::lock_guard lock(bin.mutex);
  if (bin.audio_sink || bin.settings.audio_channel.empty()) return {};
  if (!bin.settings.audio_uri.empty()) {
    return "Both audio-uri and audio-channel are set, and the speech has one source. Set one of "
           "them to null.";
  }
  if (context == static_cast<int>(AudioContext::kWhole)) {
    return "audio-context=whole needs speech that ends, and that of audio-channel does not. Set "
           "audio-context=sliding.";
  }
  return {};
}

SpeechSource choose_source(SpeechBin& bin) {
  const std::lock_guard lock(bin.mutex);
  bin.source = bin.audio_sink                        ? SpeechSource::kPad
               : !bin.settings.audio_uri.empty()     ? SpeechSource::kUri
               : !bin.settings.audio_channel.empty() ? SpeechSource::kChannel
                                                     : SpeechSource::kNone;
  return bin.source;
}

/// READY to PAUSED: which way frames take.
bool start(SpeechBin& bin) {
  if (const std::string found = contradiction(bin); !found.empty()) {
    post(bin, GST_MESSAGE_ERROR, {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, found, ""},
         "settings");
    return false;
  }
  const SpeechSource source = choose_source(bin);
  pass_frames(bin, false);
  route_frames(bin, source != SpeechSource::kNone);
  link_feed(bin, source);
  gst_segment_init(&bin.segment, GST_FORMAT_UNDEFINED);
  if (source == SpeechSource::kChannel) {
    bin.channel.start(
        channel_options(bin), [&bin](const SpeechFailure& failure) { speech_failed(bin, failure); },
        [&bin] { tell_quiet(bin); });
  } else if (source == SpeechSource::kUri) {
    bin.feed.start(feed_options(bin),
                   [&bin](const SpeechFailure& failure) { speech_failed(bin, failure); });
  } else if (source == SpeechSource::kNone) {
    post(bin, GST_MESSAGE_WARNING,
         {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
          "There is no speech, so frames pass through unedited. Set audio-uri or audio-channel, or "
          "link audio-sink.",
          ""},
         "no-speech");
  }
  return true;
}

bool has_channel(SpeechBin& bin) {
  const std::lock_guard lock(bin.mutex);
  return bin.source == SpeechSource::kChannel;
}

void begin_stop(SpeechBin& bin) {
  bin.feed.begin_stop();
  bin.channel.begin_stop();
}

void end_stop(SpeechBin& bin) {
  bin.feed.end_stop();
  bin.channel.end_stop();
  route_frames(bin, true);
  pass_frames(bin, false);
  const std::lock_guard lock(bin.mutex);
  bin.source = SpeechSource::kNone;
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  SpeechBin& bin = speech_bin_of(element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !start(bin)) {
    return GST_STATE_CHANGE_FAILURE;
  }
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING && has_channel(bin)) bin.channel.play();
  if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED && has_channel(bin)) bin.channel.pause();
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) begin_stop(bin);
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_latentsync_bin_parent_class)->change_state(element, transition);
  const bool failed = result == GST_STATE_CHANGE_FAILURE;
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && failed) {
    begin_stop(bin);
    end_stop(bin);
  }
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) end_stop(bin);
  return result;
}

/// FUNCTION, and FAILED with an error message where it throws.
template <typename Function, typename Result>
Result guarded(GstElement* element, Function function, Result failed) noexcept {
  try {
    return function();
  } catch (...) {
    const Failure failure = current_failure();
    post(speech_bin_of(element), GST_MESSAGE_ERROR,
         {GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED, failure.message, failure.detail},
         "internal");
    return failed;
  }
}

GstStateChangeReturn guarded_change_state(GstElement* element, GstStateChange transition) {
  return guarded(
      element, [&] { return change_state(element, transition); }, GST_STATE_CHANGE_FAILURE);
}

GstPad* request_new_pad(GstElement* element, GstPadTemplate* pad_template, const gchar*,
                        const GstCaps*) {
  return guarded(
      element, [&] { return request_audio_sink(speech_bin_of(element), pad_template); },
      static_cast<GstPad*>(nullptr));
}

void release_pad(GstElement* element, GstPad* pad) {
  release_audio_sink(speech_bin_of(element), pad);
}

/// The action signal plan-memory.
GstStructure* plan_memory(GstElement* self, guint width, guint height) {
  GstStructure* plan = nullptr;
  g_signal_emit_by_name(speech_bin_of(self).element, "plan-memory", width, height, &plan);
  return plan;
}

/// Of the element inside, so that both have the same caps.
void add_template(GstElementClass* klass, GstElementClass* inside, const char* name,
                  const char* of_element, GstPadPresence presence) {
  GstPadTemplate* original = gst_element_class_get_pad_template(inside, of_element);
  const CapsPtr caps(gst_pad_template_get_caps(original));
  gst_element_class_add_pad_template(
      klass,
      gst_pad_template_new(name, GST_PAD_TEMPLATE_DIRECTION(original), presence, caps.get()));
}

}  // namespace
}  // namespace latentsync

static void gst_latentsync_bin_finalize(GObject* object) {
  delete GST_LATENTSYNC_BIN(object)->bin;
  G_OBJECT_CLASS(gst_latentsync_bin_parent_class)->finalize(object);
}

static void gst_latentsync_bin_class_init(GstLatentsyncBinClass* klass) {
  using namespace latentsync;
  auto* object_class = G_OBJECT_CLASS(klass);
  auto* element_class = GST_ELEMENT_CLASS(klass);
  object_class->finalize = gst_latentsync_bin_finalize;
  install_bin_properties(object_class);
  /**
   * GstLatentsyncBin::plan-memory:
   * @width: of the frames, in pixels; 0: 1920
   * @height: of the frames, in pixels; 0: 1080
   *
   * As #GstLatentsync::plan-memory.
   *
   * Returns: (transfer full): a structure `latentsync-plan` or `latentsync-error`
   *
   * Since: 0.1
   */
  g_signal_new_class_handler("plan-memory", G_OBJECT_CLASS_TYPE(klass),
                             static_cast<GSignalFlags>(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
                             G_CALLBACK(plan_memory), nullptr, nullptr, nullptr, GST_TYPE_STRUCTURE,
                             2, G_TYPE_UINT, G_TYPE_UINT);
  auto* inside = GST_ELEMENT_CLASS(g_type_class_ref(GST_TYPE_LATENTSYNC));
  add_template(element_class, inside, "sink", "video_sink", GST_PAD_ALWAYS);
  add_template(element_class, inside, "src", "src", GST_PAD_ALWAYS);
  add_template(element_class, inside, "audio-sink", "audio_sink", GST_PAD_REQUEST);
  g_type_class_unref(inside);
  gst_element_class_set_static_metadata(
      element_class, "LatentSync lip synchronisation with its own speech", "Filter/Effect/Video",
      "Makes the mouth in a video follow the audio of a URI", "The latentsync project");
  element_class->change_state = GST_DEBUG_FUNCPTR(guarded_change_state);
  element_class->request_new_pad = GST_DEBUG_FUNCPTR(request_new_pad);
  element_class->release_pad = GST_DEBUG_FUNCPTR(release_pad);
}

static void gst_latentsync_bin_init(GstLatentsyncBin* self) {
  using namespace latentsync;
  self->bin = new SpeechBin(GST_BIN(self));
  SpeechBin& bin = *self->bin;
  bin.element = GST_ELEMENT(g_object_new(GST_TYPE_LATENTSYNC, "name", "latentsync", nullptr));
  gst_bin_add(GST_BIN(self), bin.element);
  bin.kept.reset(GST_ELEMENT(gst_object_ref(bin.element)));
  add_bin_pads(bin);
}
