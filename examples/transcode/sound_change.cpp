#include "examples/transcode/sound_change.h"

#include <utility>

namespace latentsync::transcode {

void SoundChange::watch(GstPad* pad) {
  gst_pad_add_probe(
      pad,
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_BUFFER),
      on_data, this, nullptr);
}

GstPadProbeReturn SoundChange::on_data(GstPad* pad, GstPadProbeInfo* info, gpointer data) {
  auto* self = static_cast<SoundChange*>(data);
  if ((info->type & GST_PAD_PROBE_TYPE_BUFFER) != 0) {
    self->note_buffer(pad, GST_PAD_PROBE_INFO_BUFFER(info));
  } else if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_CAPS) {
    GstCaps* caps = nullptr;
    gst_event_parse_caps(GST_PAD_PROBE_INFO_EVENT(info), &caps);
    self->note_caps(caps);
  }
  return GST_PAD_PROBE_OK;
}

void SoundChange::note_caps(const GstCaps* caps) {
  GstAudioInfo now;
  if (!gst_audio_info_from_caps(&now, caps)) {
    return;
  }
  const std::lock_guard lock(mutex_);
  change_.clear();
  if (!std::exchange(begun_, true)) {
    first_ = now;
    return;
  }
  const auto say = [this](const char* what, int old, int then) {
    if (old != then) {
      change_ += change_.empty() ? "" : ", ";
      change_.append(what).append(" ").append(std::to_string(old));
      change_.append(" becomes ").append(std::to_string(then));
    }
  };
  say("rate", GST_AUDIO_INFO_RATE(&first_), GST_AUDIO_INFO_RATE(&now));
  say("number of channels", GST_AUDIO_INFO_CHANNELS(&first_), GST_AUDIO_INFO_CHANNELS(&now));
}

void SoundChange::note_buffer(GstPad* pad, GstBuffer* buffer) {
  const std::lock_guard lock(mutex_);
  if (change_.empty()) {
    return;
  }
  const EventPtr event(gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0));
  const GstSegment* segment = nullptr;
  if (event) {
    gst_event_parse_segment(event.get(), &segment);
  }
  const GstClockTime time =
      segment == nullptr
          ? GST_BUFFER_PTS(buffer)
          : gst_segment_to_stream_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  placed_.emplace(time, std::exchange(change_, ""));
}

std::optional<std::pair<GstClockTime, std::string>> SoundChange::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(placed_, std::nullopt);
}

}  // namespace latentsync::transcode
