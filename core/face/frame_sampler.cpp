#include "core/face/frame_sampler.h"

#include "core/device/transfer.h"
#include "core/error.h"
#include "core/face/device_square.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/affine_grid_generator.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/grid_sampler_2d.h>
#include <ATen/ops/zeros.h>

namespace latentsync::face {
namespace {

// at::grid_sampler_2d's numbers.
constexpr int64_t kBilinear = 0;
constexpr int64_t kZeros = 0;
constexpr int64_t kBorder = 1;

struct Span {
  int64_t begin = 0;
  int64_t length = 1;
};

// The pixels that samples around CENTER, up to REACH away, are made of; at least one.
Span span_of(double center, double reach, int64_t size) {
  const double last = static_cast<double>(size - 1);
  const auto begin = static_cast<int64_t>(std::clamp(std::floor(center - reach - 1), 0.0, last));
  const auto end = static_cast<int64_t>(std::clamp(std::ceil(center + reach + 1), 0.0, last));
  return {begin, end - begin + 1};
}

}  // namespace

void check_square(const RotatedSquare& square, int64_t edge) {
  const double sum = square.center.x + square.center.y + square.size + square.rotation;
  if (edge < 1 || !(square.size > 0) || !std::isfinite(sum)) {
    throw Error(ErrorCode::kInvalidArgument, "A sampled square must have a finite, positive size.");
  }
}

at::Tensor FrameSampler::sample_at(const at::Tensor& square, int64_t edge, Outside outside) const {
  const auto shown = square_in(device::read_back(square).const_data_ptr<double>());
  if (is_usable(shown, width(), height())) return sample(shown, edge, outside);
  return at::zeros({1, 3, edge, edge}, at::TensorOptions(at::kFloat).device(square.device()));
}

TensorSampler::TensorSampler(at::Tensor picture) : picture_(std::move(picture)) {
  const auto type = picture_.scalar_type();
  if (picture_.dim() != 3 || picture_.size(0) != 3 || picture_.numel() == 0 ||
      (type != at::kByte && type != at::kFloat)) {
    throw Error(ErrorCode::kInvalidArgument,
                "A picture must be [3, H, W] of uint8 or float32 values.");
  }
}

at::Tensor TensorSampler::sample(const RotatedSquare& square, int64_t edge, Outside outside) const {
  check_square(square, edge);
  const double cosine = std::cos(square.rotation);
  const double sine = std::sin(square.rotation);
  const double reach = square.size / 2 * (std::abs(cosine) + std::abs(sine));
  // Only what the square covers is converted and searched. Where the view is smaller, whole pixels
  // are averaged first, so that those which are left lie less than two apart: bilinear samples miss
  // none.
  const double step = square.size / static_cast<double>(edge);
  const auto shrink = std::max<int64_t>(1, static_cast<int64_t>(step));
  const auto columns = span_of(square.center.x, reach + step, width());
  const auto rows = span_of(square.center.y, reach + step, height());
  auto part = picture_.narrow(2, columns.begin, columns.length)
                  .narrow(1, rows.begin, rows.length)
                  .contiguous()
                  .to(at::kFloat)
                  .unsqueeze(0);
  if (shrink > 1) {
    part = at::avg_pool2d(part, shrink, shrink, /*padding=*/0, /*ceil_mode=*/true,
                          /*count_include_pad=*/false);
  }

  auto matrix = at::empty({1, 2, 3}, at::kFloat);
  const double part_width = static_cast<double>(part.size(3) * shrink);
  const double part_height = static_cast<double>(part.size(2) * shrink);
  const double values[] = {
      square.size / part_width * cosine,
      -square.size / part_width * sine,
      2 * (square.center.x - static_cast<double>(columns.begin) + 0.5) / part_width - 1,
      square.size / part_height * sine,
      square.size / part_height * cosine,
      2 * (square.center.y - static_cast<double>(rows.begin) + 0.5) / part_height - 1};
  std::transform(std::begin(values), std::end(values), matrix.mutable_data_ptr<float>(),
                 [](double value) { return static_cast<float>(value); });

  const auto grid =
      at::affine_grid_generator(device::to_device(matrix, part.device()), {1, 3, edge, edge},
                                /*align_corners=*/false);
  const auto view =
      at::grid_sampler_2d(part, grid, kBilinear, outside == Outside::kBlack ? kZeros : kBorder,
                          /*align_corners=*/false);
  return picture_.scalar_type() == at::kByte ? view / 255 : view;
}

}  // namespace latentsync::face
