#pragma once

#include "examples/transcode/channel_plan.h"
#include "examples/transcode/handles.h"

namespace latentsync::transcode {

/// Does with samples what a ChannelPlan says.
class ChannelMixer {
 public:
  /// INPUT: of the samples that come. Throws Problem: GStreamer cannot mix them.
  ChannelMixer(const GstAudioInfo& input, ChannelPlan plan);

  const ChannelPlan& plan() const { return plan_; }
  /// The samples of BUFFER as the plan has them; flags and times are not kept.
  BufferPtr apply(BufferPtr buffer) const;

 private:
  void route(const GstMapInfo& from, const GstMapInfo& to) const;

  GstAudioInfo input_;
  ChannelPlan plan_;
  std::unique_ptr<GstAudioConverter, decltype(&gst_audio_converter_free)> converter_;
};

}  // namespace latentsync::transcode
