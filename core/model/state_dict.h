#pragma once

#include "core/model/tensor_file.h"

#include <string>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>
#include <torch/nn/module.h>

namespace latentsync::model {

/// Fills MODULE's parameters and buffers from SOURCE (names as the module has them), each one moved
/// to DEVICE and DTYPE as it is read, so that the file is never held twice.
///
/// Every parameter and buffer must be there with exactly its shape; extra tensors in SOURCE are
/// foreign and refused too. Errors: kForeignModel, naming ORIGIN (the file), the tensor and both
/// shapes.
void load_state(torch::nn::Module& module, const TensorMap& source, const std::string& origin,
                c10::Device device = c10::kCPU, c10::ScalarType dtype = c10::kFloat);

}  // namespace latentsync::model
