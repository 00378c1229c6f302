#pragma once

#include "kernels/image/affine.h"
#include "kernels/image/components.h"
#include "kernels/image/filter.h"

/// What the CUDA kernels of warp_crop and paste_back share.
namespace latentsync::kernels {

/// Far outside every sample is the same; this keeps their numbers small.
__device__ inline double not_far(double at) {
  constexpr double kFar = 1e6;
  return at > -kFar ? (at < kFar ? at : kFar) : -kFar;
}

/// The number within [0, size) that is nearest to x.
__device__ inline int nearest(int x, int size) { return x < 0 ? 0 : (x < size ? x : size - 1); }

/// The taps of one direction around a point: `first`, and the first one's distance from it.
struct DeviceTaps {
  int first;
  int count;
  float distance;
  float narrow;  ///< 1 / footprint

  __device__ DeviceTaps(double at, double footprint)
      : count(taps_of(footprint)), narrow(static_cast<float>(1 / footprint)) {
    at = not_far(at);
    const double before = floor(at - 2 * footprint);
    first = static_cast<int>(before) + 1;
    distance = static_cast<float>(before + 1 - at);
  }

  __device__ float weight(int k) const {
    return catmull_rom((distance + static_cast<float>(k)) * narrow);
  }
};

/// The filter around (x, y); value(i, j) is the sample there, wherever that is.
template <typename Value>
__device__ float resample(const DeviceTaps& x, const DeviceTaps& y, const Value& value) {
  float total = 0;
  float across = 0;
  float down = 0;
  for (int k = 0; k < x.count; ++k) across += x.weight(k);
  for (int r = 0; r < y.count; ++r) {
    float row = 0;
    for (int k = 0; k < x.count; ++k) row += x.weight(k) * value(x.first + k, y.first + r);
    total += y.weight(r) * row;
    down += y.weight(r);
  }
  return total / (across * down);
}

/// Linear interpolation at (x, y); value(i, j) is the sample there, wherever that is.
template <typename Value>
__device__ float interpolate(double x, double y, const Value& value) {
  x = not_far(x);
  y = not_far(y);
  const int left = static_cast<int>(floor(x));
  const int top = static_cast<int>(floor(y));
  const auto s = static_cast<float>(x - left);
  const auto t = static_cast<float>(y - top);
  const float first = value(left, top);
  const float upper = first + s * (value(left + 1, top) - first);
  const float second = value(left, top + 1);
  const float lower = second + s * (value(left + 1, top + 1) - second);
  return upper + t * (lower - upper);
}

/// The code value of a sample.
__device__ inline int read_code(const Component& component, int64_t x, int64_t y) {
  const uint8_t* row = component.data + y * component.stride;
  const int64_t number = component.first + x * component.step;
  switch (component.type) {
    case SampleType::kByte:
      return row[number];
    case SampleType::kHigh10:
      return reinterpret_cast<const uint16_t*>(row)[number] >> 6;
    case SampleType::kLow10:
      return reinterpret_cast<const uint16_t*>(row)[number] & 1023;
    case SampleType::kPacked10:
      break;
  }
  const auto place = packed_place(number);
  return static_cast<int>(reinterpret_cast<const uint32_t*>(row)[place.word] >> place.shift & 1023);
}

__device__ inline float read_sample(const Component& component, int64_t x, int64_t y) {
  return static_cast<float>(read_code(component, x, y));
}

/// Each sample by one thread alone; other threads may read and write those beside it.
__device__ inline void write_code(const Component& component, int64_t x, int64_t y, int code) {
  uint8_t* row = component.data + y * component.stride;
  const int64_t number = component.first + x * component.step;
  switch (component.type) {
    case SampleType::kByte:
      row[number] = static_cast<uint8_t>(code);
      return;
    case SampleType::kHigh10:
      reinterpret_cast<uint16_t*>(row)[number] = static_cast<uint16_t>(code << 6);
      return;
    case SampleType::kLow10:
      reinterpret_cast<uint16_t*>(row)[number] = static_cast<uint16_t>(code);
      return;
    case SampleType::kPacked10:
      break;
  }
  // Changes these ten bits alone, whatever becomes of the others meanwhile.
  const auto place = packed_place(number);
  const auto changed = static_cast<unsigned>(read_code(component, x, y) ^ code);
  atomicXor(reinterpret_cast<unsigned*>(row) + place.word, changed << place.shift);
}

/// x clamped to [0, most]; what is not a number becomes 0.
__device__ inline float limited(float x, float most) {
  return x > 0 ? (x < most ? x : most) : 0.0F;
}

}  // namespace latentsync::kernels
