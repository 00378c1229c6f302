#include "examples/transcode/channel_plan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <optional>

namespace latentsync::transcode {
namespace {

using Positions = std::vector<GstAudioChannelPosition>;

constexpr guint64 kStereo = 0x3;
constexpr guint64 k50 = 0x37;
constexpr guint64 k51 = 0x3f;

/// The position of bit 0, 1, … of a mask.
constexpr std::array kNames = {"FL",  "FR",  "FC",  "LFE", "RL",  "RR", "FLC", "FRC", "RC",  "LFE2",
                               "SL",  "SR",  "TFL", "TFR", "TFC", "TC", "TRL", "TRR", "TSL", "TSR",
                               "TRC", "BFC", "BFL", "BFR", "WL",  "WR", "SRL", "SRR"};

size_t count_of(guint64 mask) { return mask == 0 ? 1 : size_t(std::popcount(mask)); }

Positions positions_of(guint64 mask) {
  Positions positions(count_of(mask), GST_AUDIO_CHANNEL_POSITION_MONO);
  if (mask != 0) {
    gst_audio_channel_positions_from_mask(int(positions.size()), mask, positions.data());
  }
  return positions;
}

bool has(const Positions& positions, GstAudioChannelPosition position) {
  return std::find(positions.begin(), positions.end(), position) != positions.end();
}

/// Side channels where there are no rear ones are the rear ones of other writers: 5.1 is both.
Positions side_as_rear(Positions positions) {
  if (has(positions, GST_AUDIO_CHANNEL_POSITION_REAR_LEFT) ||
      has(positions, GST_AUDIO_CHANNEL_POSITION_REAR_RIGHT)) {
    return positions;
  }
  for (GstAudioChannelPosition& position : positions) {
    if (position == GST_AUDIO_CHANNEL_POSITION_SIDE_LEFT) {
      position = GST_AUDIO_CHANNEL_POSITION_REAR_LEFT;
    } else if (position == GST_AUDIO_CHANNEL_POSITION_SIDE_RIGHT) {
      position = GST_AUDIO_CHANNEL_POSITION_REAR_RIGHT;
    }
  }
  return positions;
}

std::string words(const Positions& positions) {
  std::string text;
  for (const GstAudioChannelPosition position : positions) {
    const bool known = position >= 0 && size_t(position) < kNames.size();
    text.append(text.empty() ? "" : " ");
    text.append(known ? kNames[size_t(position)] : "?");
  }
  return text;
}

std::string words(guint64 mask) { return mask == 0 ? "mono" : words(positions_of(mask)); }

/// Where each channel of MASK comes from; nothing: MASK lacks one of POSITIONS.
std::optional<std::vector<int>> route_into(guint64 mask, const Positions& positions) {
  const Positions target = positions_of(mask);
  std::vector<int> route;
  size_t found = 0;
  for (const GstAudioChannelPosition position : target) {
    const auto at = std::find(positions.begin(), positions.end(), position);
    found += at == positions.end() ? 0 : 1;
    route.push_back(at == positions.end() ? -1 : int(at - positions.begin()));
  }
  if (found != positions.size()) {
    return {};
  }
  return route;
}

GstAudioInfo with_layout(const GstAudioInfo& input, guint64 mask) {
  GstAudioInfo info;
  Positions positions = positions_of(mask);
  positions.resize(64, GST_AUDIO_CHANNEL_POSITION_INVALID);
  gst_audio_info_set_format(&info, GST_AUDIO_INFO_FORMAT(&input), GST_AUDIO_INFO_RATE(&input),
                            int(count_of(mask)), positions.data());
  return info;
}

/// Channels in their order, as far as a layout of as many goes.
ChannelPlan plan_numbered(const GstAudioInfo& input, std::span<const guint64> masks,
                          const char* codec) {
  const auto count = size_t(GST_AUDIO_INFO_CHANNELS(&input));
  const std::string begin =
      "the sound has " + std::to_string(count) + " channels without positions: ";
  ChannelPlan plan;
  const auto same = std::find_if(masks.begin(), masks.end(),
                                 [&](guint64 mask) { return count_of(mask) == count; });
  if (same != masks.end()) {
    plan.info = with_layout(input, *same);
    plan.route.resize(count);
    std::iota(plan.route.begin(), plan.route.end(), 0);
    plan.remark = count <= 2 ? "" : begin + "written in their order as " + words(*same);
    return plan;
  }
  plan.info = with_layout(input, kStereo);
  plan.mixed = true;
  const float part = 1.0F / float((count + 1) / 2);
  for (size_t channel = 0; channel < count; ++channel) {
    plan.matrix.push_back({channel % 2 == 0 ? part : 0, channel % 2 == 0 ? 0 : part});
  }
  plan.remark = begin + codec + " has no such layout; mixed to stereo, every other one to the left";
  return plan;
}

}  // namespace

ChannelPlan plan_channels(const GstAudioInfo& input, std::span<const guint64> masks,
                          const char* codec) {
  const auto count = size_t(GST_AUDIO_INFO_CHANNELS(&input));
  if (GST_AUDIO_INFO_IS_UNPOSITIONED(&input) || count == 1) {
    return plan_numbered(input, masks, codec);
  }
  const Positions positions(input.position, input.position + count);
  ChannelPlan plan;
  std::optional<guint64> best;
  for (const Positions& named : {positions, side_as_rear(positions)}) {
    for (const guint64 mask : masks) {
      const auto route = mask == 0 ? std::nullopt : route_into(mask, named);
      if (route && (!best || count_of(mask) < count_of(*best))) {
        best = mask;
        plan.route = *route;
      }
    }
  }
  if (best) {
    plan.info = with_layout(input, *best);
    if (count_of(*best) > count) {
      plan.remark = "the sound's channels (" + words(positions) + ") cannot be represented in " +
                    codec + ": written as " + words(*best) +
                    ", with silence in the missing channels";
    }
    return plan;
  }
  const bool low = has(positions, GST_AUDIO_CHANNEL_POSITION_LFE1);
  const guint64 mask = count < 4 ? kStereo : low ? k51 : k50;
  plan.info = with_layout(input, mask);
  plan.mixed = true;
  plan.remark = "the sound's channels (" + words(positions) + ") cannot be kept in " + codec +
                ": mixed to " + words(mask);
  return plan;
}

}  // namespace latentsync::transcode
