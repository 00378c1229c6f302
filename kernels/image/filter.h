#pragma once

#include "kernels/image/sample_type.h"

/// The resampling filter, for the CPU loops, the CUDA kernels and whoever must know its size.
///
/// Catmull-Rom's cubic (support 2, interpolating), stretched to the footprint that a target pixel
/// has among the source samples where it is larger than one: that is the antialiasing. Weights are
/// normalised to a sum of one over all taps, inside the picture or not.
namespace latentsync::kernels {

constexpr int kMostTaps = 256;
constexpr double kMostFootprint = 63.5;  ///< source samples of a target pixel, in x or y

namespace {  // each CPU level keeps its own copy: kernels/cpu/levels.h

LATENTSYNC_INLINE float catmull_rom(float t) {
  t = t < 0 ? -t : t;
  const float inner = (1.5F * t - 2.5F) * t * t + 1.0F;
  const float outer = ((-0.5F * t + 2.5F) * t - 4.0F) * t + 2.0F;
  return t < 1 ? inner : (t < 2 ? outer : 0.0F);
}

/// Taps of a footprint: samples first ... first + taps - 1 with first = floor(x - 2 footprint) + 1.
LATENTSYNC_INLINE int taps_of(double footprint) {
  const int whole = static_cast<int>(4 * footprint);
  return whole < 4 * footprint ? whole + 1 : whole;
}

}  // namespace
}  // namespace latentsync::kernels
