#pragma once

#include <ATen/core/Tensor.h>

/// Values on their way between a device and the host.
namespace latentsync::device {

/// VALUES as DTYPE in host memory; where they lie there as DTYPE already, they themselves. They are
/// converted on their own device and copied from it to page-locked memory without a wait: the
/// result may be read when the device has finished what this thread has launched on its current
/// stream, as it has when an executor's task ends. Errors: c10::Error where memory runs out.
at::Tensor to_host(const at::Tensor& values, c10::ScalarType dtype);

}  // namespace latentsync::device
