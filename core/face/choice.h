#pragma once

#include "core/engine.h"
#include "core/face/detector.h"

#include <span>
#include <vector>

namespace latentsync::face {

/// The faces in the order in which they are wanted: with kLargest and kAll the largest box first,
/// with kCenter and kNearest the box whose middle is nearest to POINT, in pixels. Equals stay in
/// their order.
std::vector<Detection> by_preference(std::span<const Detection> faces, FaceSelect select,
                                     Point point);

}  // namespace latentsync::face
