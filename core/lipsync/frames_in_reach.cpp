#include "core/lipsync/frames_in_reach.h"

#include "core/face/frame_copy.h"

#include <utility>

namespace latentsync::lipsync {

FramesInReach::FramesInReach(std::span<const kernels::ImageView> frames, const Networks& networks)
    : views_(frames.begin(), frames.end()) {
  if (!networks.copies_frames) return;
  for (auto& view : views_) {
    if (view.device != kernels::kSystemMemory) continue;
    kernels::check_image(view);
    auto copy = face::copy_frame(view, networks.device);
    copies_.push_back(std::move(copy.memory));
    view = copy.view;
  }
}

}  // namespace latentsync::lipsync
