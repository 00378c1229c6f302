#include "examples/transcode/stream_choice.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace latentsync::transcode {
namespace {

/// Those whose header names every stream: who waits for another one would read the whole file.
constexpr std::array<std::string_view, 3> kWithFullHeaders = {"qtdemux", "matroskademux",
                                                              "avidemux"};

GstStreamType stream_type(StreamKind kind) {
  return kind == StreamKind::kVideo ? GST_STREAM_TYPE_VIDEO : GST_STREAM_TYPE_AUDIO;
}

std::string name_of_caps(const GstCaps* caps) {
  return caps != nullptr && gst_caps_get_size(caps) > 0
             ? gst_structure_get_name(gst_caps_get_structure(caps, 0))
             : "";
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
    type = name_of_caps(caps.get()).starts_with("audio/") ? GST_STREAM_TYPE_AUDIO
                                                          : GST_STREAM_TYPE_VIDEO;
  }
  return type;
}

}  // namespace

StreamChoice::StreamChoice(GstElement* pipeline, GstElement* parse, GstElement* decode,
                           StreamKind kind, std::string stream)
    : pipeline_(pipeline), decode_(decode), kind_(kind), stream_(std::move(stream)) {
  g_signal_connect(parse, "pad-added", G_CALLBACK(on_stream), this);
}

void StreamChoice::watch_element(GstElement* element) {
  GstElementFactory* factory = gst_element_get_factory(element);
  const std::string name = factory == nullptr ? "" : GST_OBJECT_NAME(factory);
  if (std::find(kWithFullHeaders.begin(), kWithFullHeaders.end(), name) != kWithFullHeaders.end()) {
    g_signal_connect(element, "no-more-pads", G_CALLBACK(on_all_pads), this);
  }
}

bool StreamChoice::is_wanted(GstPad* pad) const {
  if ((type_of(pad) & stream_type(kind_)) == 0) {
    return false;
  }
  const TextPtr name(stream_.empty() ? nullptr : gst_pad_get_stream_id(pad));
  return stream_.empty() || (name && stream_ == name.get());
}

void StreamChoice::on_stream(GstElement*, GstPad* pad, gpointer data) {
  auto* self = static_cast<StreamChoice*>(data);
  if (!self->is_wanted(pad)) {
    if (!self->found_) {
      self->throw_away(pad);
    }
  } else if (!self->found_) {
    self->take(pad);
  }
}

void StreamChoice::take(GstPad* pad) {
  const PadPtr sink(gst_element_get_static_pad(decode_, "sink"));
  gst_pad_link(pad, sink.get());
  found_ = true;
  std::vector<ThrownAway> others;
  {
    const std::lock_guard lock(mutex_);
    others.swap(thrown_away_);
  }
  // The demuxer does not read on for those that nobody has.
  for (const ThrownAway& other : others) {
    gst_pad_remove_probe(other.pad.get(), other.probe);
  }
}

void StreamChoice::throw_away(GstPad* pad) {
  constexpr auto kAll =
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_BUFFER |
                                   GST_PAD_PROBE_TYPE_BUFFER_LIST);
  const std::lock_guard lock(mutex_);
  const gulong probe = gst_pad_add_probe(pad, kAll, on_thrown_away, this, nullptr);
  thrown_away_.push_back({PadPtr(GST_PAD(gst_object_ref(pad))), probe});
}

GstPadProbeReturn StreamChoice::on_thrown_away(GstPad* pad, GstPadProbeInfo* info, gpointer data) {
  auto* self = static_cast<StreamChoice*>(data);
  if ((info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) == 0) {
    return GST_PAD_PROBE_DROP;
  }
  if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_EOS) {
    bool last = false;
    {
      const std::lock_guard lock(self->mutex_);
      std::erase_if(self->thrown_away_,
                    [pad](const ThrownAway& other) { return other.pad.get() == pad; });
      last = self->thrown_away_.empty();
    }
    if (last && !self->found_) {
      self->post_missing();
    }
  }
  return GST_PAD_PROBE_DROP;
}

void StreamChoice::post_missing() {
  gst_element_post_message(
      pipeline_,
      gst_message_new_application(GST_OBJECT(pipeline_), gst_structure_new_empty("no-stream")));
}

void StreamChoice::on_all_pads(GstElement* demuxer, gpointer data) {
  auto* self = static_cast<StreamChoice*>(data);
  const char* wanted = self->kind_ == StreamKind::kVideo ? "video" : "audio";
  GST_OBJECT_LOCK(demuxer);
  bool found = false;
  for (GList* each = demuxer->srcpads; each != nullptr; each = each->next) {
    found = found || g_str_has_prefix(GST_PAD_NAME(each->data), wanted);
  }
  GST_OBJECT_UNLOCK(demuxer);
  if (!found) {
    self->post_missing();
  }
}

}  // namespace latentsync::transcode
