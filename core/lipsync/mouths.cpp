#include "core/lipsync/mouths.h"

#include "core/device/transfer.h"
#include "core/face/mouth.h"
#include "core/lipsync/prepare.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>

#include <ATen/TensorOperators.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

namespace latentsync::lipsync {
namespace {

// Frames that the network looks at together: so few that their activations are nothing beside those
// of the other stages.
constexpr size_t kBatch = 4;

struct EditedFace {
  PlacedFace face;
  at::Tensor image;  ///< [3, R, R]
};

double area(const PlacedFace& face) {
  const auto& map = face.crop_to_frame;
  return std::abs(map.xx * map.yy - map.xy * map.yx);
}

/// Of each edited frame the largest face.
std::vector<EditedFace> largest_faces(std::span<const FaceSequence> sequences,
                                      std::span<const at::Tensor> images, size_t frames) {
  std::vector<std::optional<EditedFace>> largest(frames);
  for (size_t i = 0; i < sequences.size(); ++i) {
    for (size_t k = 0; k < sequences[i].faces.size(); ++k) {
      const PlacedFace& face = sequences[i].faces[k];
      auto& place = largest[face.frame];
      if (face.later || (place && area(place->face) >= area(face))) continue;
      place = {face, images[i][static_cast<int64_t>(k)]};
    }
  }
  std::vector<EditedFace> faces;
  for (auto& face : largest) {
    if (face) faces.push_back(std::move(*face));
  }
  return faces;
}

/// The crops [N, 3, R, R] in [0, 1] as they look when FACES are in their frames.
at::Tensor pasted(const WindowContext& context, std::span<const EditedFace> faces,
                  std::span<const kernels::ImageView> views) {
  const auto device = context.networks.device;
  FaceSequence places;
  std::vector<at::Tensor> images;
  std::vector<float> weights;
  for (const EditedFace& edited : faces) {
    places.faces.push_back(edited.face);
    images.push_back(edited.image);
    weights.push_back(static_cast<float>(edited.face.weight));
  }
  const auto weight = device::to_device(at::tensor(weights), device).view({-1, 1, 1, 1}) *
                      device::to_device(context.mask.blend, device);
  const auto crops = take_crops(places, views, context.settings.resolution, device);
  const auto generated = device::to_device(at::stack(images).to(at::kFloat), device);
  return at::lerp(crops, generated, weight).add(1).div(2).clamp(0, 1);
}

}  // namespace

void measure_mouths(const WindowContext& context, std::span<const FaceSequence> sequences,
                    std::span<const at::Tensor> images, std::span<const kernels::ImageView> views,
                    std::vector<FrameResult>& frames) {
  const auto faces = largest_faces(sequences, images, frames.size());
  const auto& landmarker = context.networks.faces->tracker().landmarker();
  for (size_t begin = 0; begin < faces.size(); begin += kBatch) {
    check_stop(context.stop);
    const auto batch = std::span(faces).subspan(begin, std::min(kBatch, faces.size() - begin));
    const auto openings = context.device.at_rung([&](const Rung&) {
      return context.device.task(context.seconds.face, [&] {
        return face::mouth_openings(landmarker, pasted(context, batch, views));
      });
    });
    for (size_t i = 0; i < batch.size(); ++i) {
      frames[batch[i].face.frame].mouth_opening = openings[i];
    }
  }
}

}  // namespace latentsync::lipsync
