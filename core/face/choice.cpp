#include "core/face/choice.h"

#include <algorithm>
#include <cmath>

namespace latentsync::face {

std::vector<Detection> by_preference(std::span<const Detection> faces, FaceSelect select,
                                     Point point) {
  const bool by_size = select == FaceSelect::kLargest || select == FaceSelect::kAll;
  const auto rank = [&](const Detection& face) {
    const auto center = face.box.center();
    return by_size ? -face.box.width * face.box.height
                   : std::hypot(center.x - point.x, center.y - point.y);
  };
  std::vector<Detection> sorted(faces.begin(), faces.end());
  std::ranges::stable_sort(sorted, {}, rank);
  return sorted;
}

}  // namespace latentsync::face
