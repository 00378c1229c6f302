#pragma once

#include <optional>

#include <c10/core/Device.h>
#include <c10/core/Event.h>

/// The order of work on frames that other libraries have on the device, too. Events are CUDA's own
/// (CUevent, cudaEvent_t), as core/engine.h has them.
namespace latentsync::device {

/// What this thread launches on its current stream of DEVICE from now on comes after EVENT. Nothing
/// on a CPU, or where EVENT is null. Errors: what the device reports.
void wait_for_event(c10::Device device, void* event);

/// An event behind all that this thread has launched on its current stream of DEVICE. Nothing on a
/// CPU. Errors likewise.
std::optional<c10::Event> launched_so_far(c10::Device device);

}  // namespace latentsync::device
