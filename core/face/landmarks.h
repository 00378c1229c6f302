#pragma once

#include "core/face/face_mesh.h"
#include "core/face/frame_sampler.h"
#include "core/face/geometry.h"

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::face {

struct Landmark {
  double x = 0;
  double y = 0;
  double z = 0;  ///< depth in the same unit, smaller is nearer; 0 near the head's centre
};

/// The mesh of a face in the picture's pixels, in FaceMesh's order.
struct FaceLandmarks {
  std::array<Landmark, FaceMesh::kPoints> points;
  double presence = 0;  ///< probability that there is a face, 0 to 1
};

/// The smallest upright box around the points.
Box bounding_box(const FaceLandmarks& landmarks);

/// Where to look for the same face in the next frame: upright by the outer corners of the eyes, 1.5
/// times the bounding box's longer edge.
RotatedSquare next_region(const FaceLandmarks& landmarks);

/// The same without the host: from VALUES of a view, as FaceLandmarker::values() gives them, and
/// the REGION that it shows to the next one, as core/face/device_square.h has them.
at::Tensor next_region(const at::Tensor& values, const at::Tensor& region);

/// The mesh in the picture, from VALUES of a view of REGION in host memory. The presence is 0 where
/// anything is not finite.
FaceLandmarks mesh_of(std::span<const float> values, const RotatedSquare& region);

/// Runs FaceMesh on a region of a picture.
class FaceLandmarker {
 public:
  /// A loaded network, on the device that the samplers give tensors on.
  explicit FaceLandmarker(std::shared_ptr<FaceMesh> network);

  /// The network's view of REGION: [1, 3, FaceMesh::kInputSize, FaceMesh::kInputSize] in [0, 1].
  static at::Tensor view(const FrameSampler& frame, const RotatedSquare& region);

  /// The mesh in the picture that VIEW shows REGION of. The presence is 0 where anything is not
  /// finite.
  FaceLandmarks find(const at::Tensor& view, const RotatedSquare& region) const;
  /// The same for VIEWS [N, 3, FaceMesh::kInputSize, FaceMesh::kInputSize] of N regions at once.
  std::vector<FaceLandmarks> find_all(const at::Tensor& views,
                                      std::span<const RotatedSquare> regions) const;

  /// What find() reads back: float32 [N, kValues] on the network's device.
  at::Tensor values(const at::Tensor& views) const;
  static constexpr size_t kValues = 3 * FaceMesh::kPoints + 1;

 private:
  std::shared_ptr<FaceMesh> network_;
};

}  // namespace latentsync::face
