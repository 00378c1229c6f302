#include "examples/transcode/reading_pipeline.h"

#include "examples/transcode/reading_tasks.h"
#include "examples/transcode/standstill.h"

#include <gst/app/gstappsink.h>

namespace latentsync::transcode {
namespace {

constexpr GstClockTime kPoll = 50 * GST_MSECOND;

void link_to(GstElement*, GstPad* pad, gpointer next) {
  const PadPtr sink(gst_element_get_static_pad(GST_ELEMENT(next), "sink"));
  if (!gst_pad_is_linked(sink.get())) {
    gst_pad_link(pad, sink.get());
  }
}

std::string name_of_caps(const GstCaps* caps) {
  return caps != nullptr && gst_caps_get_size(caps) > 0
             ? gst_structure_get_name(gst_caps_get_structure(caps, 0))
             : "";
}

/// Whether a demuxer has streams left, but nobody for any of them: the one that was read has ended,
/// and the file goes on with others.
bool says_not_linked(GstMessage* error) {
  const GstStructure* details = nullptr;
  gst_message_parse_error_details(error, &details);
  gint flow = GST_FLOW_OK;
  return details != nullptr && gst_structure_get_int(details, "flow-return", &flow) &&
         flow == GST_FLOW_NOT_LINKED;
}

/// GStreamer 1.22's libav decoders make a buffer pool for a pixel format that they do not know from
/// memory that was never written, and may crash; without direct rendering they are not negotiated.
void avoid_unknown_pools(GstElement* element) {
  if (g_object_class_find_property(G_OBJECT_GET_CLASS(element), "direct-rendering") != nullptr) {
    g_object_set(element, "direct-rendering", FALSE, nullptr);
  }
}

/// libav's readers of these pictures take only files that come in one piece.
void prefer_whole_pictures() {
  static const bool done = [] {
    GstElementFactory* factory = gst_element_factory_find("gdkpixbufdec");
    if (factory != nullptr) {
      gst_plugin_feature_set_rank(GST_PLUGIN_FEATURE(factory), GST_RANK_MARGINAL + 1);
      gst_object_unref(factory);
    }
    return true;
  }();
  static_cast<void>(done);
}

/// Adds factories by name to PIPELINE, in a row, and returns the first and the last.
std::pair<GstElement*, GstElement*> add_row(GstElement* pipeline,
                                            std::initializer_list<const char*> names) {
  GstElement* first = nullptr;
  GstElement* last = nullptr;
  for (const char* name : names) {
    GstElement* element = gst_element_factory_make(name, nullptr);
    if (element == nullptr) {
      throw Problem(std::string("GStreamer's element ") + name +
                    " is missing: apt install gstreamer1.0-plugins-base "
                    "gstreamer1.0-plugins-good");
    }
    gst_bin_add(GST_BIN(pipeline), element);
    if (last != nullptr) {
      gst_element_link(last, element);
    }
    first = first == nullptr ? element : first;
    last = element;
  }
  return {first, last};
}

ElementPtr find_by_factory(GstElement* pipeline, const char* name) {
  ElementPtr found;
  GstIterator* all = gst_bin_iterate_all_by_element_factory_name(GST_BIN(pipeline), name);
  GValue item = G_VALUE_INIT;
  if (gst_iterator_next(all, &item) == GST_ITERATOR_OK) {
    found.reset(GST_ELEMENT(g_value_dup_object(&item)));
    g_value_unset(&item);
  }
  gst_iterator_free(all);
  return found;
}

std::vector<ElementPtr> demuxers(GstElement* pipeline) {
  std::vector<ElementPtr> found;
  GstIterator* all = gst_bin_iterate_recurse(GST_BIN(pipeline));
  GValue item = G_VALUE_INIT;
  while (gst_iterator_next(all, &item) == GST_ITERATOR_OK) {
    GstElement* element = GST_ELEMENT(g_value_get_object(&item));
    GstElementFactory* factory = gst_element_get_factory(element);
    if (factory != nullptr &&
        gst_element_factory_list_is_type(factory, GST_ELEMENT_FACTORY_TYPE_DEMUXER)) {
      found.emplace_back(GST_ELEMENT(gst_object_ref(element)));
    }
    g_value_reset(&item);
  }
  g_value_unset(&item);
  gst_iterator_free(all);
  return found;
}

/// In the order in which ELEMENT made them.
std::vector<PadPtr> source_pads(GstElement* element) {
  std::vector<PadPtr> pads;
  GST_OBJECT_LOCK(element);
  for (GList* each = element->srcpads; each != nullptr; each = each->next) {
    pads.emplace_back(GST_PAD(gst_object_ref(each->data)));
  }
  GST_OBJECT_UNLOCK(element);
  return pads;
}

/// As the tags of PAD's stream have it; empty: they do not.
std::string language_of(GstPad* pad) {
  for (guint index = 0;; ++index) {
    const EventPtr event(gst_pad_get_sticky_event(pad, GST_EVENT_TAG, index));
    if (!event) {
      return "";
    }
    GstTagList* tags = nullptr;
    gst_event_parse_tag(event.get(), &tags);
    gchar* language = nullptr;
    if (gst_tag_list_get_string(tags, GST_TAG_LANGUAGE_CODE, &language)) {
      return TextPtr(language).get();
    }
  }
}

}  // namespace

ReadingPipeline::ReadingPipeline(const Wish& wish)
    : file_(wish.file), kind_(wish.kind), pipeline_(gst_pipeline_new(nullptr)) {
  prefer_whole_pictures();
  GError* error = nullptr;
  GstElement* source = gst_element_make_from_uri(GST_URI_SRC, wish.uri.c_str(), nullptr, &error);
  const ErrorPtr owner(error);
  if (source == nullptr) {
    throw Problem(file_ + ": cannot be read (" + one_line(error->message) + ")");
  }
  gst_bin_add(GST_BIN(pipeline_.get()), source);
  g_signal_connect(pipeline_.get(), "deep-element-added", G_CALLBACK(on_element), this);
  // Not uridecodebin3: where only one of two streams is selected, that of GStreamer 1.22 stops now
  // and then in mid-file.
  GstElement* parse = add_row(pipeline_.get(), {"parsebin"}).first;
  decode_ = add_row(pipeline_.get(), {wish.decode ? "decodebin" : "appsink"}).first;
  gst_element_link(source, parse);
  choice_.emplace(pipeline_.get(), parse, decode_, kind_, wish.stream);
  sink_ = wish.decode ? add_decoding(wish) : decode_;
  g_object_set(sink_, "sync", FALSE, "max-buffers", 4, "enable-last-sample", FALSE, "wait-on-eos",
               FALSE, nullptr);
  watch(source);
  gst_element_set_state(pipeline_.get(), GST_STATE_PAUSED);
  wait_for_first_buffer();
  gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
}

void ReadingPipeline::on_element(GstBin*, GstBin*, GstElement* element, gpointer data) {
  auto* self = static_cast<ReadingPipeline*>(data);
  self->colour_.watch_element(element);
  avoid_unknown_pools(element);
  if (self->choice_) {
    self->choice_->watch_element(element);
  }
  GstElementFactory* factory = gst_element_get_factory(element);
  if (factory != nullptr && (g_strcmp0(GST_OBJECT_NAME(factory), "tsdemux") == 0 ||
                             g_strcmp0(GST_OBJECT_NAME(factory), "mpegpsdemux") == 0)) {
    self->replaces_streams_ = true;
  }
  // Its end never comes: libav's reader asks on and on.
  if (factory != nullptr && g_strcmp0(GST_OBJECT_NAME(factory), "avdemux_gif") == 0) {
    self->gif_ = true;
    gst_element_post_message(self->pipeline_.get(),
                             gst_message_new_application(GST_OBJECT(self->pipeline_.get()),
                                                         gst_structure_new_empty("gif")));
  }
}

std::pair<GstElement*, GstElement*> ReadingPipeline::add_pictures(const Wish& wish) {
  GstElement* pipeline = pipeline_.get();
  // Each only where it is needed: neither knows every format.
  const bool turn = wish.orientation != GST_VIDEO_ORIENTATION_IDENTITY;
  std::pair<GstElement*, GstElement*> row = add_row(pipeline, {"videoconvert"});
  gst_util_set_object_arg(G_OBJECT(row.first), "dither", "none");
  const auto append = [&](std::initializer_list<const char*> names) {
    const auto [first, last] = add_row(pipeline, names);
    gst_element_link(row.second, first);
    row.second = last;
    return first;
  };
  if (wish.deinterlace != FirstField::kNone) {
    GstElement* deinterlace = append({"deinterlace", "videoconvert"});
    // One picture a frame, at the time of its first field: from the other field GStreamer 1.22
    // makes a frame more.
    gst_util_set_object_arg(G_OBJECT(deinterlace), "fields",
                            wish.deinterlace == FirstField::kTop ? "top" : "bottom");
    gst_util_set_object_arg(G_OBJECT(deinterlace), "method", "yadif");
    gst_util_set_object_arg(G_OBJECT(deinterlace), "mode", "interlaced");
    gst_util_set_object_arg(G_OBJECT(deinterlace), "locking", "none");
  }
  if (turn) {
    GstElement* flip = append({"videoflip", "videoconvert"});
    gst_util_set_object_arg(G_OBJECT(flip), "video-direction",
                            std::to_string(wish.orientation).c_str());
  }
  append({"appsink"});
  return row;
}

GstElement* ReadingPipeline::add_decoding(const Wish& wish) {
  GstElement* pipeline = pipeline_.get();
  std::pair<GstElement*, GstElement*> row;
  if (kind_ == StreamKind::kAudio) {
    row = add_row(pipeline, {"audioconvert", "audioresample", "appsink"});
  } else {
    row = add_pictures(wish);
  }
  g_signal_connect(decode_, "pad-added", G_CALLBACK(link_to), row.first);
  if (kind_ == StreamKind::kAudio) {
    const PadPtr decoded(gst_element_get_static_pad(row.first, "sink"));
    sound_change_.watch(decoded.get());
  }
  const CapsPtr caps(gst_caps_from_string(wish.caps));
  g_object_set(row.second, "caps", caps.get(), nullptr);
  return row.second;
}

void ReadingPipeline::watch(GstElement* source) {
  const PadPtr bytes(gst_element_get_static_pad(source, "src"));
  const PadPtr packets(gst_element_get_static_pad(decode_, "sink"));
  constexpr auto kData =
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST |
                                   GST_PAD_PROBE_TYPE_PUSH | GST_PAD_PROBE_TYPE_PULL);
  for (const PadPtr* pad : {&bytes, &packets}) {
    if (*pad) {
      gst_pad_add_probe(pad->get(), kData, on_data, this, nullptr);
    }
  }
  colour_.watch_coded(packets.get());
}

GstPadProbeReturn ReadingPipeline::on_data(GstPad*, GstPadProbeInfo*, gpointer self) {
  ++static_cast<ReadingPipeline*>(self)->moved_;
  return GST_PAD_PROBE_OK;
}

Problem ReadingPipeline::no_stream() const {
  if (!missing_.empty()) {
    return missing_plugin_problem(file_, missing_);
  }
  return Problem(
      file_ + (kind_ == StreamKind::kVideo
                   ? ": there is no video in this file"
                   : ": there is no audio in this file; name the speech with --audio FILE"),
      kNoRetry);
}

Problem ReadingPipeline::standstill() const {
  return Problem(
      file_ + ": no data could be read for " + std::to_string(patience().count()) +
          " s; copy the file to a local disk first, or set LATENTSYNC_PATIENCE=SECONDS to "
          "wait longer",
      kTryAgain);
}

void ReadingPipeline::look_at(GstMessage* message) {
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ERROR:
      if (choice_->found() && says_not_linked(message)) {
        throw Problem(
            file_ + (kind_ == StreamKind::kVideo ? ": its video" : ": its audio") +
                " ends in mid-file and goes on as another stream; make one of them first: "
                "ffmpeg -i PART -c:v ffv1 -c:a flac PART.mkv for each, and ffmpeg -f concat",
            kNoRetry);
      }
      throw reading_problem(file_, message, missing_);
    case GST_MESSAGE_APPLICATION:
      if (gif_) {
        throw Problem(file_ + ": GIF cannot be read; make a video of it first: ffmpeg -i " + file_ +
                          " -c:v ffv1 CLIP.mkv",
                      kNoRetry);
      }
      if (!choice_->found()) {
        throw no_stream();
      }
      break;
    case GST_MESSAGE_ELEMENT:
      if (missing_.empty()) {
        missing_ = missing_plugin(message);
      }
      break;
    default:
      break;
  }
}

void ReadingPipeline::wait_for_first_buffer() {
  const BusPtr bus(gst_element_get_bus(pipeline_.get()));
  Standstill standstill_of_file;
  for (;;) {
    const MessagePtr message(gst_bus_timed_pop(bus.get(), kPoll));
    if (!message) {
      if (standstill_of_file.is_at(moved_)) {
        throw standstill();
      }
      continue;
    }
    look_at(message.get());
    const GstMessageType type = GST_MESSAGE_TYPE(message.get());
    if (type == GST_MESSAGE_ASYNC_DONE || type == GST_MESSAGE_EOS) {
      return;
    }
  }
}

void ReadingPipeline::check_bus() {
  const BusPtr bus(gst_element_get_bus(pipeline_.get()));
  while (const MessagePtr message{gst_bus_pop(bus.get())}) {
    look_at(message.get());
  }
}

void ReadingPipeline::wait_for_late_error() {
  if (!replaces_streams_) {
    return;
  }
  const BusPtr bus(gst_element_get_bus(pipeline_.get()));
  Standstill standstill_of_file;
  const auto look = [&](GstClockTime wait) {
    if (const MessagePtr message{gst_bus_timed_pop_filtered(bus.get(), wait, GST_MESSAGE_ERROR)}) {
      look_at(message.get());
    }
  };
  // A demuxer that cannot go on posts its error before its task pauses.
  while (is_reading(GST_BIN(pipeline_.get())) && !standstill_of_file.is_at(moved_)) {
    look(10 * GST_MSECOND);
  }
  look(0);
}

SamplePtr ReadingPipeline::next(const std::atomic<bool>& stopped) {
  Standstill standstill_of_file;
  while (!stopped) {
    SamplePtr sample(gst_app_sink_try_pull_sample(GST_APP_SINK(sink_), kPoll));
    if (sample) {
      return sample;
    }
    check_bus();
    if (gst_app_sink_is_eos(GST_APP_SINK(sink_))) {
      wait_for_late_error();
      return {};
    }
    if (standstill_of_file.is_at(moved_)) {
      throw standstill();
    }
  }
  return {};
}

bool ReadingPipeline::seek(GstClockTime time) {
  const bool done = gst_element_seek_simple(
                        pipeline_.get(), GST_FORMAT_TIME,
                        static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE),
                        gint64(time)) != FALSE;
  if (!done) {
    check_bus();
  }
  return done;
}

void ReadingPipeline::convert_to(const GstCaps* caps) {
  g_object_set(sink_, "caps", caps, nullptr);
}

std::vector<AudioTrack> ReadingPipeline::audio_tracks() const {
  std::vector<AudioTrack> tracks;
  for (const ElementPtr& demuxer : demuxers(pipeline_.get())) {
    for (const PadPtr& pad : source_pads(demuxer.get())) {
      const TextPtr stream(gst_pad_get_stream_id(pad.get()));
      if (stream && g_str_has_prefix(GST_PAD_NAME(pad.get()), "audio")) {
        tracks.push_back({stream.get(), language_of(pad.get())});
      }
    }
  }
  return tracks;
}

std::string ReadingPipeline::stream() const {
  const PadPtr pad(gst_element_get_static_pad(decode_, "sink"));
  const TextPtr name(gst_pad_get_stream_id(pad.get()));
  return name ? name.get() : "";
}

CapsPtr ReadingPipeline::caps() const {
  const PadPtr pad(gst_element_get_static_pad(sink_, "sink"));
  return CapsPtr(gst_pad_get_current_caps(pad.get()));
}

std::optional<GstVideoFormat> ReadingPipeline::decoded_format() const {
  const PadPtr pad(gst_element_get_static_pad(decode_, "src_0"));
  const CapsPtr caps(pad ? gst_pad_get_current_caps(pad.get()) : nullptr);
  GstVideoInfo info;
  if (!caps || !gst_video_info_from_caps(&info, caps.get())) {
    return std::nullopt;
  }
  return GST_VIDEO_INFO_FORMAT(&info);
}

GstVideoOrientationMethod ReadingPipeline::recorded_orientation() const {
  GstVideoOrientationMethod method = GST_VIDEO_ORIENTATION_IDENTITY;
  const PadPtr pad(gst_element_get_static_pad(sink_, "sink"));
  for (guint index = 0;; ++index) {
    const EventPtr event(gst_pad_get_sticky_event(pad.get(), GST_EVENT_TAG, index));
    if (!event) {
      return method;
    }
    GstTagList* tags = nullptr;
    gst_event_parse_tag(event.get(), &tags);
    GstVideoOrientationMethod found = GST_VIDEO_ORIENTATION_IDENTITY;
    if (gst_video_orientation_from_tag(tags, &found)) {
      method = found;
    }
  }
}

GstClockTime ReadingPipeline::claimed_duration() const {
  gint64 duration = 0;
  return gst_element_query_duration(pipeline_.get(), GST_FORMAT_TIME, &duration) && duration > 0
             ? GstClockTime(duration)
             : 0;
}

bool ReadingPipeline::is_picture() const {
  const PadPtr pad(gst_element_get_static_pad(decode_, "sink"));
  const CapsPtr caps(gst_pad_get_current_caps(pad.get()));
  return name_of_caps(caps.get()).starts_with("image/");
}

bool ReadingPipeline::has_own_clock() const {
  return measures_duration() || find_by_factory(pipeline_.get(), "flvdemux");
}

bool ReadingPipeline::measures_duration() const {
  return find_by_factory(pipeline_.get(), "tsdemux") ||
         find_by_factory(pipeline_.get(), "mpegpsdemux");
}

}  // namespace latentsync::transcode
