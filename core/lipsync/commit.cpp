#include "core/lipsync/commit.h"

#include "core/device/fence.h"
#include "core/device/frame_events.h"
#include "core/device/transfer.h"
#include "core/lipsync/failure.h"
#include "core/lipsync/frame_views.h"

#include <map>
#include <utility>

#include <ATen/TensorOperators.h>

namespace latentsync::lipsync {
namespace {

kernels::PreparedPaste prepare_paste(const PlacedFace& face, const at::Tensor& image,
                                     const FaceMask& mask, const kernels::ImageView& view) {
  const auto weights = kernels::soft_mask(face.crop_to_frame, mask.resolution, mask.resolution) *
                       mask.blend * face.weight;
  const auto device = device_of(view);
  return {device::to_device(image.to(at::kFloat), device).contiguous(),
          kernels::ValueRange::kSigned, device::to_device(weights.contiguous(), device),
          face.crop_to_frame, field_view(view, face.field)};
}

}  // namespace

Pasting::Pasting(std::span<const FaceSequence> sequences, std::span<const at::Tensor> edited,
                 const FaceMask& mask, std::span<const kernels::ImageView> views) {
  std::map<size_t, std::vector<kernels::PreparedPaste>> by_frame;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const auto& faces = sequences[i].faces;
    for (size_t k = 0; k < faces.size(); ++k) {
      const auto& face = faces[k];
      by_frame[face.frame].push_back(
          prepare_paste(face, edited[i][static_cast<int64_t>(k)], mask, views[face.frame]));
    }
  }
  for (auto& [frame, pastes] : by_frame) frames_.push_back({frame, std::move(pastes)});
}

void Pasting::write(WindowFrames& frames) {
  for (auto& [frame, pastes] : frames_) {
    const auto view = frames.writable(frame);
    if (!view) raise(view.failure());
    const auto where = device_of(*view);
    const device::UnwindingFence fence(where);
    device::wait_for_event(where, view->ready_event);
    for (auto& paste : pastes) paste.write(*view);
    if (const auto event = device::launched_so_far(where)) frames.written(frame, event->eventId());
  }
}

}  // namespace latentsync::lipsync
