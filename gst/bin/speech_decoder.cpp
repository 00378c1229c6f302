#include "gst/bin/speech_decoder.h"

#include "gst/debug.h"
#include "gst/input/timeline.h"

#include <gst/app/gstappsink.h>
#include <utility>

namespace latentsync {
namespace {

/// Buffers that are read ahead: a few seconds of any codec.
constexpr guint kBuffersAhead = 64;
/// What a channel keeps: all of it would be late. By default a second gathers while nobody reads.
constexpr guint64 kChannelTime = 150 * GST_MSECOND;

GstElement* add(GstElement* bin, const char* factory) {
  GstElement* element = gst_element_factory_make(factory, nullptr);
  if (element) gst_bin_add(GST_BIN(bin), element);
  return element;
}

/// Takes the references of a parse_error() or a parse_warning().
SpeechFailure failure_of(GError* error, gchar* debug) {
  SpeechFailure failure{error->domain, error->code, error->message, debug ? debug : ""};
  g_error_free(error);
  g_free(debug);
  return failure;
}

}  // namespace

SpeechDecoder::SpeechDecoder(const Options& options, std::function<void()> changed)
    : changed_(std::move(changed)),
      stream_(options.stream),
      pipeline_(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new("latentsync-speech")))) {
  if (!build(options)) {
    fail({GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
          options.channel.empty()
              ? "an element that reads audio is missing (uridecodebin, audioconvert, appsink: "
                "install GStreamer's base plugins)"
              : "an element that reads channels is missing (interaudiosrc: install GStreamer's bad "
                "plugins)",
          ""});
  }
}

SpeechDecoder::~SpeechDecoder() {
  const ElementPtr pipeline = std::move(pipeline_);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  GstBus* bus = gst_element_get_bus(pipeline.get());
  gst_bus_set_sync_handler(bus, nullptr, nullptr, nullptr);
  gst_object_unref(bus);
  // The application may use it again.
  if (filter_) gst_bin_remove(GST_BIN(pipeline.get()), filter_.get());
}

bool SpeechDecoder::add_uri(const std::string& uri) {
  source_ = add(pipeline_.get(), "uridecodebin");
  if (!source_) return false;
  const CapsPtr audio(gst_caps_from_string("audio/x-raw(ANY)"));
  g_object_set(source_, "uri", uri.c_str(), "caps", audio.get(), "expose-all-streams", FALSE,
               nullptr);
  g_signal_connect(source_, "pad-added", G_CALLBACK(pad_added), this);
  g_signal_connect(source_, "unknown-type", G_CALLBACK(unknown_type), this);
  g_signal_connect(source_, "no-more-pads", G_CALLBACK(no_more_pads), this);
  return true;
}

bool SpeechDecoder::add_channel(const std::string& channel) {
  source_ = add(pipeline_.get(), "interaudiosrc");
  if (!source_) return false;
  g_object_set(source_, "channel", channel.c_str(), "buffer-time", kChannelTime, nullptr);
  const auto watch = [](GstPad*, GstPadProbeInfo* info, gpointer data) {
    // Where there is nothing it sends silence with this flag.
    if (!GST_BUFFER_FLAG_IS_SET(GST_PAD_PROBE_INFO_BUFFER(info), GST_BUFFER_FLAG_GAP)) {
      static_cast<SpeechDecoder*>(data)->heard_ = true;
    }
    return GST_PAD_PROBE_OK;
  };
  const PadPtr pad(gst_element_get_static_pad(source_, "src"));
  gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, watch, this, nullptr);
  return gst_pad_link(pad.get(), entry_.get()) == GST_PAD_LINK_OK;
}

bool SpeechDecoder::build(const Options& options) {
  GstElement* pipeline = pipeline_.get();
  GstElement* convert = add(pipeline, "audioconvert");
  sink_ = add(pipeline, "appsink");
  if (!convert || !sink_) return false;
  const CapsPtr interleaved(gst_caps_from_string("audio/x-raw,layout=interleaved"));
  const bool live = !options.channel.empty();
  g_object_set(sink_, "sync", FALSE, "max-buffers", kBuffersAhead, "drop", live, "caps",
               interleaved.get(), nullptr);
  GstElement* first = convert;
  if (options.filter) {
    filter_.reset(GST_ELEMENT(gst_object_ref(options.filter)));
    GstElement* before = add(pipeline, "audioconvert");
    if (!before || !gst_bin_add(GST_BIN(pipeline), filter_.get())) {
      filter_.reset();
      return false;
    }
    if (!gst_element_link_many(before, filter_.get(), convert, nullptr)) return false;
    first = before;
  }
  if (!gst_element_link(convert, sink_)) return false;
  entry_.reset(gst_element_get_static_pad(first, "sink"));
  if (!(live ? add_channel(options.channel) : add_uri(options.uri))) return false;
  GstAppSinkCallbacks callbacks = {};
  callbacks.eos = [](GstAppSink*, gpointer data) { static_cast<SpeechDecoder*>(data)->changed_(); };
  callbacks.new_sample = [](GstAppSink*, gpointer data) {
    static_cast<SpeechDecoder*>(data)->changed_();
    return GST_FLOW_OK;
  };
  gst_app_sink_set_callbacks(GST_APP_SINK(sink_), &callbacks, this, nullptr);
  GstBus* bus = gst_element_get_bus(pipeline);
  gst_bus_set_sync_handler(bus, message, this, nullptr);
  gst_object_unref(bus);
  return true;
}

void SpeechDecoder::start() {
  if (failure()) return;
  gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
}

void SpeechDecoder::play(GstClock* clock) {
  if (failure()) return;
  gst_pipeline_use_clock(GST_PIPELINE(pipeline_.get()), clock);
  gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
}

void SpeechDecoder::pause() {
  if (!failure()) gst_element_set_state(pipeline_.get(), GST_STATE_PAUSED);
}

int64_t SpeechDecoder::clock_time(GstSample* sample) const {
  const GstSegment* segment = gst_sample_get_segment(sample);
  return static_cast<int64_t>(gst_element_get_base_time(pipeline_.get())) +
         running_time(*segment, GST_BUFFER_PTS(gst_sample_get_buffer(sample)));
}

SamplePtr SpeechDecoder::take() {
  if (failure()) return nullptr;
  SamplePtr sample(gst_app_sink_try_pull_sample(GST_APP_SINK(sink_), 0));
  if (sample) at_start_ = false;
  return sample;
}

bool SpeechDecoder::ended() const { return !failure() && gst_app_sink_is_eos(GST_APP_SINK(sink_)); }

std::optional<SpeechFailure> SpeechDecoder::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void SpeechDecoder::seek(int64_t file_ns) {
  if (failure() || (at_start_ && file_ns == 0 && !ended())) return;
  constexpr auto kFlags = static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE);
  if (gst_element_seek_simple(pipeline_.get(), GST_FORMAT_TIME, kFlags, file_ns)) return;
  GST_DEBUG_OBJECT(pipeline_.get(), "cannot seek: reading from the start again");
  gst_element_set_state(pipeline_.get(), GST_STATE_READY);
  {
    const std::lock_guard lock(mutex_);
    streams_ = 0;
    linked_ = false;
  }
  at_start_ = true;
  gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
}

void SpeechDecoder::fail(SpeechFailure failure) {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
  }
  changed_();
}

void SpeechDecoder::link(GstPad* pad) {
  const CapsPtr caps(gst_pad_query_caps(pad, nullptr));
  if (gst_caps_is_empty(caps.get()) || gst_caps_is_any(caps.get())) return;
  const GstStructure* structure = gst_caps_get_structure(caps.get(), 0);
  if (!gst_structure_has_name(structure, "audio/x-raw")) return;
  {
    const std::lock_guard lock(mutex_);
    if (linked_ || streams_++ != std::max(stream_, 0)) return;
    linked_ = true;
  }
  if (gst_pad_link(pad, entry_.get()) != GST_PAD_LINK_OK) {
    fail({GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
          "its audio is in a format that cannot be converted", ""});
  }
}

void SpeechDecoder::pad_added(GstElement*, GstPad* pad, gpointer data) {
  static_cast<SpeechDecoder*>(data)->link(pad);
}

void SpeechDecoder::unknown_type(GstElement*, GstPad*, GstCaps* caps, gpointer data) {
  auto& self = *static_cast<SpeechDecoder*>(data);
  if (gst_caps_is_empty(caps) || gst_caps_is_any(caps)) return;
  const std::string name = gst_structure_get_name(gst_caps_get_structure(caps, 0));
  if (!name.starts_with("audio/")) return;
  const std::lock_guard lock(self.mutex_);
  self.undecodable_ = name;
}

/// In words that say what is missing: uridecodebin takes a file without audio for one without
/// decoders.
SpeechFailure SpeechDecoder::told(SpeechFailure failure) const {
  // The other way to this code is a URI that no element takes.
  const bool missing = failure.domain == GST_CORE_ERROR &&
                       failure.code == GST_CORE_ERROR_MISSING_PLUGIN &&
                       failure.debug.find("no suitable plugins") != std::string::npos;
  const std::lock_guard lock(mutex_);
  if (missing && undecodable_.empty()) {
    failure.message = "it has no audio";
  } else if (missing) {
    failure.message = "there is no decoder for its audio (" + undecodable_ +
                      "): install GStreamer's plugins for it";
  }
  while (failure.message.ends_with('.')) failure.message.pop_back();
  return failure;
}

void SpeechDecoder::no_more_pads(GstElement*, gpointer data) {
  auto& self = *static_cast<SpeechDecoder*>(data);
  int streams;
  {
    const std::lock_guard lock(self.mutex_);
    if (self.linked_) return;
    streams = self.streams_;
  }
  self.fail({GST_STREAM_ERROR, GST_STREAM_ERROR_TYPE_NOT_FOUND,
             streams == 0 ? "it has no audio"
                          : "it has " + std::to_string(streams) +
                                " audio streams: set audio-stream to a number below that",
             ""});
}

GstBusSyncReply SpeechDecoder::message(GstBus*, GstMessage* message, gpointer data) {
  auto& self = *static_cast<SpeechDecoder*>(data);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    GError* error = nullptr;
    gchar* debug = nullptr;
    gst_message_parse_error(message, &error, &debug);
    self.fail(self.told(failure_of(error, debug)));
  }
  gst_message_unref(message);
  return GST_BUS_DROP;
}

}  // namespace latentsync
