#include "kernels/paste_back/region.h"

#include <algorithm>
#include <cmath>

namespace latentsync::kernels {
namespace {

// From the least and the most of a coordinate to whole numbers within [0, size).
SampleRange whole(double least, double most, int32_t size) {
  const double last = size;
  return {static_cast<int64_t>(std::clamp(std::floor(least), 0.0, last)),
          static_cast<int64_t>(std::clamp(std::ceil(most) + 1, 0.0, last))};
}

// Cuts [begin, end] to where -1 < value + slope * x < size.
void cut(double value, double slope, double size, double& begin, double& end) {
  if (slope == 0) {
    if (value <= -1 || value >= size) end = begin - 1;
    return;
  }
  const double a = (-1 - value) / slope;
  const double b = (size - value) / slope;
  begin = std::max(begin, std::min(a, b));
  end = std::min(end, std::max(a, b));
}

}  // namespace

SampleRegion region_of(const Affine& crop_to_samples, int64_t crop_width, int64_t crop_height,
                       const Component& component) {
  const Affine& map = crop_to_samples;
  const auto across = static_cast<double>(crop_width);
  const auto down = static_cast<double>(crop_height);
  const auto range = [&](double ax, double ay, double zero, int32_t size) {
    return whole(zero + std::min(-ax, ax * across) + std::min(-ay, ay * down),
                 zero + std::max(-ax, ax * across) + std::max(-ay, ay * down), size);
  };
  return {range(map.xx, map.xy, map.x0, component.width),
          range(map.yx, map.yy, map.y0, component.height)};
}

SampleRange run_of(const Affine& samples_to_crop, int64_t row, int64_t crop_width,
                   int64_t crop_height, SampleRange columns) {
  const Affine& map = samples_to_crop;
  const auto y = static_cast<double>(row);
  auto begin = static_cast<double>(columns.begin);
  auto end = static_cast<double>(columns.end - 1);
  cut(map.xy * y + map.x0, map.xx, static_cast<double>(crop_width), begin, end);
  cut(map.yy * y + map.y0, map.yx, static_cast<double>(crop_height), begin, end);
  if (!(begin <= end)) return {};
  return {static_cast<int64_t>(std::ceil(begin)), static_cast<int64_t>(std::floor(end)) + 1};
}

std::array<PasteTarget, 3> paste_targets(const Components& frame, const Affine& crop_to_frame,
                                         int64_t crop_width, int64_t crop_height) {
  const auto frame_to_crop = inverse(crop_to_frame);
  const auto target = [&](const Component& component) {
    const auto back = from_samples(component, frame_to_crop);
    return PasteTarget{
        component, back,
        region_of(to_samples(crop_to_frame, component), crop_width, crop_height, component),
        footprint_of(back)};
  };
  return {target(frame.of[0]), target(frame.of[1]), target(frame.of[2])};
}

}  // namespace latentsync::kernels
