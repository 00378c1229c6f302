#include "examples/transcode/speech_feed.h"

#include <utility>

namespace latentsync::transcode {
namespace {

/// All channels alike: nobody knows where they belong.
ChannelPlan plan_mono(const GstAudioInfo& input) {
  ChannelPlan plan;
  const int channels = GST_AUDIO_INFO_CHANNELS(&input);
  gst_audio_info_set_format(&plan.info, GST_AUDIO_INFO_FORMAT(&input), GST_AUDIO_INFO_RATE(&input),
                            1, nullptr);
  plan.mixed = true;
  plan.matrix.assign(size_t(channels), {1.0F / float(channels)});
  return plan;
}

}  // namespace

Unit SpeechFeed::next() {
  Unit unit = louder_.apply(reader_.next());
  if (!unit) {
    return unit;
  }
  if (!caps_ || !gst_caps_is_equal(caps_.get(), unit.caps.get())) {
    caps_.reset(gst_caps_ref(unit.caps.get()));
    mixer_.reset();
    GstAudioInfo info;
    if (gst_audio_info_from_caps(&info, caps_.get()) && GST_AUDIO_INFO_IS_UNPOSITIONED(&info) &&
        GST_AUDIO_INFO_CHANNELS(&info) > 2) {
      mixer_.emplace(info, plan_mono(info));
    }
  }
  if (mixer_) {
    unit.buffer = mixer_->apply(std::move(unit.buffer));
    GstAudioInfo info = mixer_->plan().info;
    unit.caps.reset(gst_audio_info_to_caps(&info));
  }
  return unit;
}

}  // namespace latentsync::transcode
