#include "core/face/plausibility.h"

#include "kernels/image/filter.h"

#include <algorithm>
#include <cmath>

namespace latentsync::face {

bool is_plausible(const Box& box, double confidence) {
  const double aspect = box.width / box.height;
  return box.width >= kLeastFaceWidth && box.height >= kLeastFaceHeight && aspect >= kLeastAspect &&
         aspect <= kMostAspect && confidence >= kLeastConfidence;
}

bool can_be_resampled(const AffineMatrix& matrix, int64_t resolution) {
  constexpr double kMost = kernels::kMostFootprint * 0.99;  // what turning adds by rounding
  constexpr double kChroma = 2;                             // pixels between two samples
  const auto size = aligned_size(resolution);
  const double aligned = std::hypot(matrix[0][0], matrix[0][1]);  // its pixels for a frame's
  const auto edge = static_cast<double>(resolution);
  const double across = aligned * edge / static_cast<double>(size.width);
  const double down = aligned * edge / static_cast<double>(size.height);
  return std::max(across, down) * kChroma <= kMost && 1 / std::min(across, down) <= kMost;
}

}  // namespace latentsync::face
