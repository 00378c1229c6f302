#include "core/face/plausibility.h"

namespace latentsync::face {

bool is_plausible(const Box& box, double confidence) {
  const double aspect = box.width / box.height;
  return box.width >= kLeastFaceWidth && box.height >= kLeastFaceHeight && aspect >= kLeastAspect &&
         aspect <= kMostAspect && confidence >= kLeastConfidence;
}

}  // namespace latentsync::face
