#include "examples/transcode/media_reader.h"

#include "examples/transcode/input_file.h"

#include <algorithm>
#include <gst/app/gstappsink.h>
#include <gst/audio/audio.h>
#include <gst/pbutils/pbutils.h>
#include <gst/video/video.h>

namespace latentsync::transcode {
namespace {

constexpr GstClockTime kDefaultFrameDuration = 40 * GST_MSECOND;
constexpr GstClockTime kPoll = 50 * GST_MSECOND;
/// Recorders leave the last frame without a duration, or with a tick of their clock; decoders make
/// up to a millisecond of it.
constexpr GstClockTime kNoDuration = GST_MSECOND;

GstStreamType stream_type(StreamKind kind) {
  return kind == StreamKind::kVideo ? GST_STREAM_TYPE_VIDEO : GST_STREAM_TYPE_AUDIO;
}

bool has_stream(GstStreamCollection* collection, GstStreamType type) {
  for (guint index = 0; index < gst_stream_collection_get_size(collection); ++index) {
    GstStream* stream = gst_stream_collection_get_stream(collection, index);
    if ((gst_stream_get_stream_type(stream) & type) != 0) {
      return true;
    }
  }
  return false;
}

void link_to(GstElement*, GstPad* pad, gpointer next) {
  const PadPtr sink(gst_element_get_static_pad(GST_ELEMENT(next), "sink"));
  if (!gst_pad_is_linked(sink.get())) {
    gst_pad_link(pad, sink.get());
  }
}

GstStreamType type_of(GstPad* pad) {
  GstStream* stream = gst_pad_get_stream(pad);
  GstStreamType type = GST_STREAM_TYPE_UNKNOWN;
  if (stream != nullptr) {
    type = gst_stream_get_stream_type(stream);
    gst_object_unref(stream);
  } else {
    // A file of one stream and no container.
    const CapsPtr caps(gst_pad_query_caps(pad, nullptr));
    const std::string name = gst_caps_get_size(caps.get()) > 0
                                 ? gst_structure_get_name(gst_caps_get_structure(caps.get(), 0))
                                 : "";
    type = name.starts_with("audio/") ? GST_STREAM_TYPE_AUDIO : GST_STREAM_TYPE_VIDEO;
  }
  return type;
}

/// The first stream of the kind is decoded, others are left unlinked.
template <GstStreamType kType>
void link_stream(GstElement* parse, GstPad* pad, gpointer decode) {
  if ((type_of(pad) & kType) != 0) {
    link_to(parse, pad, decode);
  }
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

GstElement* find_by_factory(GstElement* pipeline, const char* name) {
  GstElement* found = nullptr;
  GstIterator* all = gst_bin_iterate_all_by_element_factory_name(GST_BIN(pipeline), name);
  GValue item = G_VALUE_INIT;
  if (gst_iterator_next(all, &item) == GST_ITERATOR_OK) {
    found = GST_ELEMENT(g_value_get_object(&item));
    g_value_unset(&item);
  }
  gst_iterator_free(all);
  return found;
}

}  // namespace

MediaReader::MediaReader(const std::string& file, StreamKind kind, const char* caps)
    : file_(file), uri_(uri_of(file)), kind_(kind), caps_(caps) {
  open();
  orientation_ = recorded_orientation();
  if (orientation_ != GST_VIDEO_ORIENTATION_IDENTITY) {
    open();
  }
  learn_format();
}

void MediaReader::open() {
  pipeline_.reset(gst_pipeline_new(nullptr));
  GstElement* pipeline = pipeline_.get();
  GError* error = nullptr;
  GstElement* source = gst_element_make_from_uri(GST_URI_SRC, uri_.c_str(), nullptr, &error);
  const ErrorPtr owner(error);
  if (source == nullptr) {
    throw Problem(file_ + ": cannot be read (" + one_line(error->message) + ")");
  }
  gst_bin_add(GST_BIN(pipeline), source);
  // Not uridecodebin3: where only one of two streams is selected, that of GStreamer 1.22 stops now
  // and then in mid-file. Streams that nobody links cost nothing here.
  GstElement* parse = add_row(pipeline, {"parsebin"}).first;
  GstElement* decode = add_row(pipeline, {"decodebin"}).first;
  gst_element_link(source, parse);
  std::pair<GstElement*, GstElement*> row;
  if (kind_ == StreamKind::kAudio) {
    row = add_row(pipeline, {"audioconvert", "appsink"});
  } else if (orientation_ == GST_VIDEO_ORIENTATION_IDENTITY) {
    row = add_row(pipeline, {"videoconvert", "appsink"});
    gst_util_set_object_arg(G_OBJECT(row.first), "dither", "none");
  } else {
    // Only where it is needed: it does not know every format.
    row = add_row(pipeline, {"videoconvert", "videoflip", "videoconvert", "appsink"});
    gst_util_set_object_arg(G_OBJECT(find_by_factory(pipeline, "videoflip")), "video-direction",
                            std::to_string(orientation_).c_str());
  }
  g_signal_connect(parse, "pad-added",
                   kind_ == StreamKind::kVideo ? G_CALLBACK(link_stream<GST_STREAM_TYPE_VIDEO>)
                                               : G_CALLBACK(link_stream<GST_STREAM_TYPE_AUDIO>),
                   decode);
  g_signal_connect(decode, "pad-added", G_CALLBACK(link_to), row.first);
  sink_ = row.second;
  const CapsPtr caps(gst_caps_from_string(caps_.c_str()));
  g_object_set(sink_, "caps", caps.get(), "sync", FALSE, "max-buffers", 4, "enable-last-sample",
               FALSE, "wait-on-eos", FALSE, nullptr);
  missing_.clear();
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  wait_for_first_buffer();
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
}

void MediaReader::wait_for_first_buffer() {
  const BusPtr bus(gst_element_get_bus(pipeline_.get()));
  for (;;) {
    const MessagePtr message(gst_bus_timed_pop_filtered(
        bus.get(), GST_CLOCK_TIME_NONE,
        static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_ASYNC_DONE | GST_MESSAGE_EOS |
                                    GST_MESSAGE_ELEMENT | GST_MESSAGE_STREAM_COLLECTION)));
    switch (GST_MESSAGE_TYPE(message.get())) {
      case GST_MESSAGE_ERROR:
        throw reading_problem(file_, message.get(), missing_);
      case GST_MESSAGE_ELEMENT:
        if (missing_.empty()) {
          missing_ = missing_plugin(message.get());
        }
        break;
      case GST_MESSAGE_STREAM_COLLECTION: {
        GstStreamCollection* collection = nullptr;
        gst_message_parse_stream_collection(message.get(), &collection);
        const bool found = collection == nullptr || has_stream(collection, stream_type(kind_));
        gst_clear_object(&collection);
        if (!found) {
          throw Problem(file_ + (kind_ == StreamKind::kVideo
                                     ? ": there is no video in this file"
                                     : ": there is no audio in this file; name the speech with "
                                       "--audio FILE"));
        }
        break;
      }
      default:
        return;
    }
  }
}

GstVideoOrientationMethod MediaReader::recorded_orientation() const {
  GstVideoOrientationMethod method = GST_VIDEO_ORIENTATION_IDENTITY;
  if (kind_ != StreamKind::kVideo) {
    return method;
  }
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

void MediaReader::learn_format() {
  frame_duration_ = kDefaultFrameDuration;
  const PadPtr pad(gst_element_get_static_pad(sink_, "sink"));
  const CapsPtr caps(gst_pad_get_current_caps(pad.get()));
  GstVideoInfo info;
  if (kind_ != StreamKind::kVideo || !caps || !gst_video_info_from_caps(&info, caps.get())) {
    return;
  }
  width_ = GST_VIDEO_INFO_WIDTH(&info);
  height_ = GST_VIDEO_INFO_HEIGHT(&info);
  if (GST_VIDEO_INFO_FPS_N(&info) > 0) {
    frame_rate_ = double(GST_VIDEO_INFO_FPS_N(&info)) / GST_VIDEO_INFO_FPS_D(&info);
    frame_duration_ = gst_util_uint64_scale_int_round(GST_SECOND, GST_VIDEO_INFO_FPS_D(&info),
                                                      GST_VIDEO_INFO_FPS_N(&info));
  }
}

void MediaReader::check_bus() {
  const BusPtr bus(gst_element_get_bus(pipeline_.get()));
  for (;;) {
    const MessagePtr message(gst_bus_pop_filtered(
        bus.get(), static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT)));
    if (!message) {
      return;
    }
    if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_ERROR) {
      throw reading_problem(file_, message.get(), missing_);
    }
    if (missing_.empty()) {
      missing_ = missing_plugin(message.get());
    }
  }
}

Unit MediaReader::next() {
  while (!stopped_) {
    const SamplePtr sample(gst_app_sink_try_pull_sample(GST_APP_SINK(sink_), kPoll));
    if (!sample) {
      check_bus();
      if (gst_app_sink_is_eos(GST_APP_SINK(sink_))) {
        return {};
      }
      continue;
    }
    Unit unit;
    unit.buffer.reset(gst_buffer_ref(gst_sample_get_buffer(sample.get())));
    unit.caps.reset(gst_caps_ref(gst_sample_get_caps(sample.get())));
    const GstSegment* segment = gst_sample_get_segment(sample.get());
    const GstClockTime time =
        gst_segment_to_stream_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(unit.buffer.get()));
    if (!GST_CLOCK_TIME_IS_VALID(time)) {
      throw Problem(file_ +
                    ": a frame has no timestamp; remux the file into MP4 or Matroska first");
    }
    unit.time = time;
    const GstClockTime duration = GST_BUFFER_DURATION(unit.buffer.get());
    unit.duration = GST_CLOCK_TIME_IS_VALID(duration) ? duration : frame_duration_;
    return unit;
  }
  return {};
}

void MediaReader::seek(GstClockTime time) {
  // A decoder cuts the frame that the seek falls into and gives it another timestamp: the seek goes
  // to a frame that nobody wants.
  const GstClockTime margin = GST_SECOND + 2 * frame_duration_;
  const GstClockTime target = time > margin ? time - margin : 0;
  if (!gst_element_seek_simple(
          pipeline_.get(), GST_FORMAT_TIME,
          static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE),
          gint64(target))) {
    check_bus();
    throw Problem(file_ +
                  ": cannot be entered in the middle; remux the file into MP4 or Matroska first");
  }
}

GstClockTime MediaReader::last_end() {
  GstClockTime end = 0;
  while (const Unit unit = next()) {
    const bool shown = kind_ == StreamKind::kAudio || unit.duration > kNoDuration;
    end = std::max(end, shown ? unit.end() : unit.time + frame_duration_);
  }
  return end;
}

GstClockTime MediaReader::claimed_duration() const {
  gint64 duration = 0;
  return gst_element_query_duration(pipeline_.get(), GST_FORMAT_TIME, &duration) && duration > 0
             ? GstClockTime(duration)
             : 0;
}

GstClockTime MediaReader::find_end() {
  const GstClockTime duration = claimed_duration();
  GstClockTime end = 0;
  for (GstClockTime back = 2 * GST_SECOND; end == 0 && duration > 2 * back; back *= 4) {
    seek(duration - back);
    end = last_end();
  }
  if (end == 0 && !stopped_) {
    open();
    end = last_end();
  }
  open();
  return end;
}

}  // namespace latentsync::transcode
