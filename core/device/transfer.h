#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

/// Values on their way between a device and the host.
namespace latentsync::device {

/// VALUES as DTYPE in host memory; where they lie there as DTYPE already, they themselves. They are
/// converted on their own device and copied from it to page-locked memory without a wait: the
/// result may be read when the device has finished what this thread has launched on its current
/// stream, as it has when an executor's task ends. Errors: c10::Error where memory runs out.
at::Tensor to_host(const at::Tensor& values, c10::ScalarType dtype);

/// VALUES in host memory, when the device has finished what this thread has launched on its current
/// stream before: the host waits, which is counted for the task's client. What is read together
/// costs one wait. Errors: what the device reports.
at::Tensor read_back(const at::Tensor& values);

/// Memory of the host, uint8 [BYTES], to be filled for upload(): page-locked for an accelerator.
/// Errors: c10::Error where there is none left.
at::Tensor staging(int64_t bytes, c10::Device device);

/// What STAGED holds, on DEVICE; on a CPU it is STAGED itself. In a task of the device's executor
/// the copy runs on its copy stream, beside what has been launched so far; what is launched from
/// now on waits for it, the host does not, and STAGED must not be written to again. Elsewhere the
/// current stream copies. Errors: c10::Error where memory runs out.
at::Tensor upload(const at::Tensor& staged, c10::Device device);

/// VALUES on DEVICE; where they lie there already, they themselves. Those of the host go by
/// upload(): it does not wait.
at::Tensor to_device(const at::Tensor& values, c10::Device device);

}  // namespace latentsync::device
