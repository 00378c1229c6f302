#include "examples/transcode/channel_mixer.h"

#include "examples/transcode/problem.h"

#include <cstring>
#include <utility>

namespace latentsync::transcode {
namespace {

/// GStreamer's matrix has a row for each channel that is written.
void set_matrix(GstStructure* config, const std::vector<std::vector<float>>& parts) {
  GValue matrix = G_VALUE_INIT;
  g_value_init(&matrix, GST_TYPE_ARRAY);
  for (size_t to = 0; to < parts.front().size(); ++to) {
    GValue row = G_VALUE_INIT;
    g_value_init(&row, GST_TYPE_ARRAY);
    for (const std::vector<float>& from : parts) {
      GValue part = G_VALUE_INIT;
      g_value_init(&part, G_TYPE_FLOAT);
      g_value_set_float(&part, from[to]);
      gst_value_array_append_and_take_value(&row, &part);
    }
    gst_value_array_append_and_take_value(&matrix, &row);
  }
  gst_structure_take_value(config, GST_AUDIO_CONVERTER_OPT_MIX_MATRIX, &matrix);
}

GstAudioConverter* converter_for(GstAudioInfo input, ChannelPlan& plan) {
  if (!plan.mixed) {
    return nullptr;
  }
  GstStructure* config = gst_structure_new_empty("mix");
  if (!plan.matrix.empty()) {
    set_matrix(config, plan.matrix);
  }
  return gst_audio_converter_new(GST_AUDIO_CONVERTER_FLAG_NONE, &input, &plan.info, config);
}

}  // namespace

ChannelMixer::ChannelMixer(const GstAudioInfo& input, ChannelPlan plan)
    : input_(input),
      plan_(std::move(plan)),
      converter_(converter_for(input_, plan_), gst_audio_converter_free) {
  if (plan_.mixed && !converter_) {
    throw Problem("a sound of " + std::to_string(GST_AUDIO_INFO_CHANNELS(&input_)) +
                      " channels cannot be mixed; make it stereo first: ffmpeg -i FILE -ac 2 "
                      "speech.wav",
                  kNoRetry);
  }
}

BufferPtr ChannelMixer::apply(BufferPtr buffer) const {
  if (plan_.route.empty() && !plan_.mixed) {
    return buffer;
  }
  const gsize samples = gst_buffer_get_size(buffer.get()) / gsize(GST_AUDIO_INFO_BPF(&input_));
  const gsize size = samples * gsize(GST_AUDIO_INFO_BPF(&plan_.info));
  BufferPtr made(gst_buffer_new_allocate(nullptr, size, nullptr));
  GstMapInfo from;
  GstMapInfo to;
  if (!gst_buffer_map(buffer.get(), &from, GST_MAP_READ)) {
    return made;
  }
  if (gst_buffer_map(made.get(), &to, GST_MAP_WRITE)) {
    gst_audio_format_info_fill_silence(plan_.info.finfo, to.data, to.size);
    if (plan_.mixed) {
      gpointer in[] = {from.data};
      gpointer out[] = {to.data};
      gst_audio_converter_samples(converter_.get(), GST_AUDIO_CONVERTER_FLAG_NONE, in, samples, out,
                                  samples);
    } else {
      route(from, to);
    }
    gst_buffer_unmap(made.get(), &to);
  }
  gst_buffer_unmap(buffer.get(), &from);
  return made;
}

void ChannelMixer::route(const GstMapInfo& from, const GstMapInfo& to) const {
  const auto width = size_t(GST_AUDIO_INFO_WIDTH(&input_)) / 8;
  const auto from_frame = size_t(GST_AUDIO_INFO_BPF(&input_));
  const auto to_frame = size_t(GST_AUDIO_INFO_BPF(&plan_.info));
  for (size_t channel = 0; channel < plan_.route.size(); ++channel) {
    if (plan_.route[channel] < 0) {
      continue;
    }
    const guint8* source = from.data + size_t(plan_.route[channel]) * width;
    guint8* target = to.data + channel * width;
    for (size_t sample = 0; (sample + 1) * to_frame <= to.size; ++sample) {
      std::memcpy(target + sample * to_frame, source + sample * from_frame, width);
    }
  }
}

}  // namespace latentsync::transcode
