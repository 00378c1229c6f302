#pragma once

#include <bit>
#include <cstdint>

/// Elements of tensors as the CPU loops read and write them: float, and the two half formats as bit
/// patterns. Everything here is inline, branch-free and vectorises.
namespace latentsync::kernels {

/// The dtypes that the CPU loops take; others go through ATen.
enum class Element { kFloat, kBfloat16 };

namespace {  // each level keeps its own copy: see levels.h

struct Bfloat16 {
  uint16_t bits;
};

inline float to_float(float x) { return x; }
inline float to_float(Bfloat16 x) {
  return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16);
}

template <typename T>
T from_float(float x);

template <>
inline float from_float<float>(float x) {
  return x;
}

// Round to nearest, ties to even; a NaN stays one.
template <>
inline Bfloat16 from_float<Bfloat16>(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return {static_cast<uint16_t>(x != x ? 0x7fc0 : rounded)};
}

/// e^x, relative error below 2e-7; x is clamped to [-87, 88].
inline float exp_approx(float x) {
  x = x < -87.0F ? -87.0F : (x > 88.0F ? 88.0F : x);
  // x = n ln 2 + r, |r| <= ln 2 / 2; ln 2 in two parts so that n ln 2 is exact. Adding 1.5 * 2^23
  // rounds to an integer.
  const float shifted = x * 1.44269504F + 12582912.0F;
  const float n = shifted - 12582912.0F;
  const float r = (x - n * 0.693359375F) - n * -2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const auto exponent = static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23;
  return p * std::bit_cast<float>(exponent);
}

inline float silu(float x) { return x / (1.0F + exp_approx(-x)); }

}  // namespace
}  // namespace latentsync::kernels
