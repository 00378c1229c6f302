#pragma once

#include "core/face/landmarks.h"

#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::face {

/// How far a mouth is open: the distance of the inner lips' middles in parts of the distance of the
/// mouth's corners, as the picture shows them. 0: closed; a wide open one has about 0.8.
double mouth_opening(const FaceLandmarks& landmarks);

/// That of the upright face that each of PICTURES shows: [N, 3, H, W] RGB in [0, 1] on the
/// network's device, the face in the middle and nearly as large as the picture. None where there is
/// no face with at least kLeastConfidence (core/face/plausibility.h).
std::vector<std::optional<double>> mouth_openings(const FaceLandmarker& landmarker,
                                                  const at::Tensor& pictures);

}  // namespace latentsync::face
