#include "core/audio/log_mel.h"

#include "core/device/transfer.h"
#include "core/error.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/hann_window.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/view_as_real.h>
#include <ATen/ops/zeros.h>

namespace latentsync::audio {
namespace {

constexpr int64_t kReach = kFourierSize / 2;  // samples of a column's window on either side
constexpr float kLoudest = 256;
constexpr double kLinearStep = 200.0 / 3;         // Hz a mel below 1 kHz
constexpr double kLinearEnd = 1000;               // Hz; logarithmic above
constexpr double kLogStep = 0.06875177742094912;  // ln(6.4) / 27

double mel_to_hertz(double mel) {
  constexpr double kLogStart = kLinearEnd / kLinearStep;
  return mel < kLogStart ? mel * kLinearStep : kLinearEnd * std::exp(kLogStep * (mel - kLogStart));
}

double hertz_to_mel(double hertz) {
  return hertz < kLinearEnd ? hertz / kLinearStep
                            : kLinearEnd / kLinearStep + std::log(hertz / kLinearEnd) / kLogStep;
}

float clean(float sample) {
  return std::isfinite(sample) ? std::clamp(sample, -kLoudest, kLoudest) : 0.0F;
}

// Samples [first, first + count) of the timeline, mirrored at its ends.
at::Tensor cut(const Signal& signal, int64_t first, int64_t count) {
  const auto given_end = signal.start + static_cast<int64_t>(signal.samples.size());
  auto at_sample = [&](int64_t i) {
    if (i < 0) {
      i = -i;
    } else if (i >= signal.end) {
      i = 2 * (signal.end - 1) - i;
    }
    const bool known = i >= std::max<int64_t>(signal.start, 0) && i < given_end && i < signal.end;
    return known ? clean(signal.samples[static_cast<size_t>(i - signal.start)]) : 0.0F;
  };
  const auto out = at::empty({count}, at::kFloat);
  float* data = out.mutable_data_ptr<float>();
  for (int64_t i = 0; i < count; ++i) data[i] = at_sample(first + i);
  return out;
}

}  // namespace

at::Tensor mel_filters(int64_t bands) {
  const int64_t bins = kFourierSize / 2 + 1;
  const double top = hertz_to_mel(kSampleRate / 2.0);
  std::vector<double> edges(static_cast<size_t>(bands) + 2);
  for (size_t i = 0; i < edges.size(); ++i) {
    edges[i] = mel_to_hertz(top * static_cast<double>(i) / static_cast<double>(bands + 1));
  }
  const auto filters = at::zeros({bands, bins}, at::kFloat);
  float* data = filters.mutable_data_ptr<float>();
  for (int64_t band = 0; band < bands; ++band) {
    const double low = edges[band], peak = edges[band + 1], high = edges[band + 2];
    for (int64_t bin = 0; bin < bins; ++bin) {
      const double hertz = static_cast<double>(bin * kSampleRate) / kFourierSize;
      const double height = std::min((hertz - low) / (peak - low), (high - hertz) / (high - peak));
      // Slaney's norm: every triangle has the same area.
      data[band * bins + bin] = static_cast<float>(std::max(0.0, height) * 2 / (high - low));
    }
  }
  return filters;
}

at::Tensor normalise_log_mel(const at::Tensor& log_power, double maximum) {
  return log_power.clamp_min(maximum - 8).add_(4).div_(4);
}

LogMel::LogMel(c10::Device device, int64_t bands)
    : window_(at::hann_window(kFourierSize, at::kFloat).to(device)),
      filters_(mel_filters(bands).to(device)) {}

at::Tensor LogMel::log_power(const Signal& signal, int64_t first_column, int64_t columns) const {
  if (first_column < 0 || columns < 0) {
    throw Error(ErrorCode::kInvalidArgument, "a spectrogram has no columns before the first");
  }
  if (columns == 0) return at::empty({filters_.size(0), 0}, filters_.options());
  const auto samples = device::to_device(cut(signal, first_column * kSamplesPerColumn - kReach,
                                             (columns - 1) * kSamplesPerColumn + kFourierSize),
                                         window_.device());
  const auto frames = samples.unfold(0, kFourierSize, kSamplesPerColumn) * window_;
  const auto power = at::view_as_real(at::fft_rfft(frames)).square_().sum(-1);
  return at::linear(power, filters_).clamp_min_(1e-10).log10_().t().contiguous();
}

at::Tensor LogMel::whole_clip(std::span<const float> samples) const {
  const auto count = static_cast<int64_t>(samples.size());
  const auto power = log_power({samples, 0, count}, 0, count / kSamplesPerColumn);
  return power.numel() == 0 ? power : normalise_log_mel(power, power.max().item<double>());
}

}  // namespace latentsync::audio
