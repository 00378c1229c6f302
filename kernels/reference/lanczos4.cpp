#include "kernels/reference/lanczos4.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

namespace latentsync::kernels {
namespace {

constexpr int kTaps = 8;
constexpr int kWeightBits = 11;

struct Tap {
  std::array<int64_t, kTaps> source;
  std::array<int32_t, kTaps> weight;
};

// The eight normalised weights of a point `fraction` behind the fourth sample, with OpenCV's own
// roundings: sin(y - k pi / 4) by the theorem of addition, sums in float.
std::array<float, kTaps> lanczos(float fraction) {
  constexpr double kHalfRoot = std::numbers::sqrt2 / 2;
  constexpr double kTurns[kTaps][2] = {
      {1, 0},  {-kHalfRoot, -kHalfRoot}, {0, 1},  {kHalfRoot, -kHalfRoot},
      {-1, 0}, {kHalfRoot, kHalfRoot},   {0, -1}, {-kHalfRoot, kHalfRoot}};
  constexpr float kWhole = 1e30F;  // at a sample itself: nothing else counts
  const double first = -(fraction + 3) * std::numbers::pi * 0.25;
  const double sine = std::sin(first);
  const double cosine = std::cos(first);
  std::array<float, kTaps> weights{};
  float sum = 0;
  for (int k = 0; k < kTaps; ++k) {
    const float distance = fraction + 3 - static_cast<float>(k);
    const double y = -distance * std::numbers::pi * 0.25;
    weights[k] = std::fabs(distance) < 1e-6F
                     ? kWhole
                     : static_cast<float>((kTurns[k][0] * sine + kTurns[k][1] * cosine) / (y * y));
    sum += weights[k];
  }
  const float scale = 1 / sum;
  for (auto& weight : weights) weight *= scale;
  return weights;
}

std::vector<Tap> taps_of(int64_t from, int64_t to) {
  std::vector<Tap> taps(to);
  const double scale = 1 / (static_cast<double>(to) / static_cast<double>(from));
  for (int64_t i = 0; i < to; ++i) {
    const auto at = static_cast<float>((static_cast<double>(i) + 0.5) * scale - 0.5);
    const auto first = static_cast<int64_t>(std::floor(at));
    const auto weights = lanczos(at - static_cast<float>(first));
    for (int k = 0; k < kTaps; ++k) {
      taps[i].source[k] = std::clamp<int64_t>(first - 3 + k, 0, from - 1);
      taps[i].weight[k] = static_cast<int32_t>(std::lrint(weights[k] * (1 << kWeightBits)));
    }
  }
  return taps;
}

}  // namespace

at::Tensor resize_lanczos4(const at::Tensor& image, int64_t height, int64_t width) {
  TORCH_CHECK(image.scalar_type() == at::kByte && image.is_cpu() && image.numel() > 0 &&
                  (image.dim() == 2 || image.dim() == 3),
              "resize: the image is uint8 [H, W, C] or [H, W] in system memory");
  TORCH_CHECK(height > 0 && width > 0, "resize: ", height, "x", width, " is no size");
  const auto in = image.contiguous();
  const int64_t channels = image.dim() == 3 ? image.size(2) : 1;
  const int64_t rows = image.size(0);
  const int64_t in_row = image.size(1) * channels;
  const int64_t out_row = width * channels;
  const auto columns = taps_of(image.size(1), width);
  const auto lines = taps_of(rows, height);

  std::vector<int32_t> wide(rows * out_row);  // every source row in the new width
  const auto* source = in.const_data_ptr<uint8_t>();
  at::parallel_for(0, rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      const uint8_t* row = source + y * in_row;
      for (int64_t i = 0; i < out_row; ++i) {
        const auto& tap = columns[i / channels];
        int32_t sum = 0;
        for (int k = 0; k < kTaps; ++k) {
          sum += tap.weight[k] * row[tap.source[k] * channels + i % channels];
        }
        wide[y * out_row + i] = sum;
      }
    }
  });

  auto sizes = image.sizes().vec();
  sizes[0] = height;
  sizes[1] = width;
  const auto out = at::empty(sizes, at::kByte);
  auto* target = out.mutable_data_ptr<uint8_t>();
  at::parallel_for(0, height, 16, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      const auto& tap = lines[y];
      for (int64_t i = 0; i < out_row; ++i) {
        int64_t sum = int64_t{1} << (2 * kWeightBits - 1);
        for (int k = 0; k < kTaps; ++k) {
          sum += int64_t{tap.weight[k]} * wide[tap.source[k] * out_row + i];
        }
        target[y * out_row + i] =
            static_cast<uint8_t>(std::clamp<int64_t>(sum >> (2 * kWeightBits), 0, 255));
      }
    }
  });
  return out;
}

}  // namespace latentsync::kernels
