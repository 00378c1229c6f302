#include "core/audio/audio_features.h"

#include "core/device/transfer.h"
#include "core/error.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/minimum.h>

namespace latentsync::audio {
namespace {

int64_t sample_at(int64_t time_ns) {
  const auto seconds = time_ns / 1'000'000'000;
  return seconds * kSampleRate + (time_ns - seconds * 1'000'000'000) * kSampleRate / 1'000'000'000;
}

// The spectrogram going back and forth until it has COUNT columns.
at::Tensor mirrored(const at::Tensor& mel, int64_t count) {
  const auto known = mel.size(1);
  if (known == 0 || known >= count) return mel;
  const auto place = at::arange(count, mel.options().dtype(at::kLong)).remainder(2 * known);
  return mel.index_select(1, at::minimum(place, 2 * known - 1 - place));
}

}  // namespace

double padding_of(BlockFill fill, double maximum) {
  return fill == BlockFill::kZeros ? 0 : (std::max(kSilentLogPower, maximum - 8) + 4) / 4;
}

at::Tensor encode_block(WhisperEncoder& encoder, const at::Tensor& mel, double padding) {
  const at::NoGradGuard no_grad;
  const auto missing = 2 * encoder.config().n_audio_ctx - mel.size(1);
  const auto full = at::constant_pad_nd(mel, {0, missing}, padding);
  return encoder.forward(device::to_device(full.unsqueeze(0).to(encoder.dtype()), encoder.device()))
      .squeeze(0)
      .transpose(0, 1);
}

SlidingAudio::SlidingAudio(std::shared_ptr<WhisperEncoder> encoder, int64_t lookahead_ns,
                           BlockFill fill)
    : encoder_(std::move(encoder)),
      grid_(BlockGrid::overlapping(encoder_->config().n_audio_ctx)),
      log_mel_(c10::kCPU, encoder_->config().n_mels),
      lookahead_ns_(lookahead_ns),
      fill_(fill) {
  if (lookahead_ns < kShortestLookaheadNs) {
    throw Error(ErrorCode::kInvalidArgument,
                "the audio look-ahead must be at least 120 ms: a frame's features reach that far");
  }
}

SampleRange SlidingAudio::needed(std::span<const int64_t> frame_times_ns) const {
  if (frame_times_ns.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "audio features were requested for no frame");
  }
  const auto [first, last] = std::minmax_element(frame_times_ns.begin(), frame_times_ns.end());
  const auto row = std::max<int64_t>(0, first_row_of_frame(*first));
  const auto begin = grid_.shares(row, std::nullopt)[0].block * grid_.hop * kSamplesPerRow;
  return {std::max<int64_t>(0, begin - kFourierSize / 2),
          std::max<int64_t>(0, sample_at(std::max<int64_t>(0, *last) + lookahead_ns_))};
}

at::Tensor SlidingAudio::features(std::span<const float> context, int64_t context_start,
                                  std::span<const int64_t> frame_times_ns) {
  const auto range = needed(frame_times_ns);
  // The look-ahead is a part of the context that was asked for, so an earlier end is the audio's.
  const auto context_end = context_start + static_cast<int64_t>(context.size());
  const bool ended = context_end < range.end;
  const auto end = std::min(range.end, context_end);
  const Signal signal{context, context_start, std::max<int64_t>(0, end)};
  const auto encode = [&](int64_t block, BlockFill fill) {
    const auto first = block * grid_.hop * 2;
    const auto columns =
        std::clamp<int64_t>(signal.end / kSamplesPerColumn - first, 0, grid_.rows * 2);
    const auto power = log_mel_.log_power(signal, first, columns);
    // The block's own maximum: with one maximum for two fading blocks, the end of a fade would
    // show.
    const double maximum = columns > 0 ? *power.max().const_data_ptr<float>() : kSilentLogPower;
    const auto mel = normalise_log_mel(power, maximum);
    return encode_block(*encoder_, ended ? mel : mirrored(mel, grid_.rows * 2),
                        padding_of(fill, maximum));
  };
  return slice_filled_frames(grid_, frame_times_ns, std::nullopt, signal.end / kSamplesPerRow,
                             ended ? fill_ : BlockFill::kSilence, encode);
}

}  // namespace latentsync::audio
