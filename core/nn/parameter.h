#pragma once

#include <ATen/core/Tensor.h>

/// Where and in what precision the layers that are being made have their parameters.
namespace latentsync::nn {

/// While it lives, layers that this thread makes have their parameters and buffers on DEVICE and in
/// DTYPE; without one, on the CPU in float32. On the meta device they take no memory.
class ParametersOn {
 public:
  ParametersOn(c10::Device device, c10::ScalarType dtype);
  ParametersOn(const ParametersOn&) = delete;
  ParametersOn& operator=(const ParametersOn&) = delete;
  ~ParametersOn();

 private:
  at::TensorOptions options_;
  const at::TensorOptions* before_;
};

/// A new parameter, uninitialised.
at::Tensor new_parameter(at::IntArrayRef sizes);

/// VALUES as a buffer of the layer that is being made.
at::Tensor new_buffer(const at::Tensor& values);

}  // namespace latentsync::nn
