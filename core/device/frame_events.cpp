#include "core/device/frame_events.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#ifdef LATENTSYNC_HAVE_CUDA
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace latentsync::device {

void wait_for_event([[maybe_unused]] c10::Device device, [[maybe_unused]] void* event) {
#ifdef LATENTSYNC_HAVE_CUDA
  if (!device.is_cuda() || event == nullptr) return;
  const auto stream = c10::cuda::getCurrentCUDAStream(device.index());
  C10_CUDA_CHECK(cudaStreamWaitEvent(stream.stream(), static_cast<cudaEvent_t>(event), 0));
#endif
}

std::optional<c10::Event> launched_so_far(c10::Device device) {
  if (device.is_cpu()) return std::nullopt;
  const c10::impl::VirtualGuardImpl streams(device.type());
  std::optional<c10::Event> event(std::in_place, device.type());
  event->record(streams.getStream(device));
  return event;
}

}  // namespace latentsync::device
