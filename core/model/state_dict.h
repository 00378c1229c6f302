#pragma once

#include "core/model/tensor_file.h"
#include "core/nn/module.h"

#include <functional>
#include <string>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace latentsync::model {

/// Called after each tensor of a module that is being loaded, with the tensor as it came from the
/// file. What it throws ends the loading; the module is then of no use.
using LoadObserver = std::function<void(const at::Tensor& loaded)>;

/// Fills MODULE's parameters and buffers from SOURCE (names as the module has them), each one moved
/// to DEVICE and DTYPE as it is read, so that the file is never held twice: the pages of a mapped
/// file are given back tensor by tensor. Memory formats and requires_grad stay as they were.
///
/// Every parameter and buffer must be there with exactly its shape, a floating type where the
/// module has one, and finite values that DTYPE can hold; extra tensors in SOURCE are foreign and
/// refused too. Names, shapes and types are checked before anything is changed. Errors:
/// kForeignModel, naming ORIGIN (the file), the tensor and both shapes; kUnsupported for a value
/// that is finite but too large for DTYPE.
void load_state(nn::Module& module, const TensorMap& source, const std::string& origin,
                c10::Device device = c10::kCPU, c10::ScalarType dtype = c10::kFloat,
                const LoadObserver& observer = {});

/// The same, and each tensor leaves SOURCE as soon as it is loaded, so that memory which SOURCE
/// alone holds is freed on the way.
void load_state(nn::Module& module, TensorMap&& source, const std::string& origin,
                c10::Device device = c10::kCPU, c10::ScalarType dtype = c10::kFloat,
                const LoadObserver& observer = {});

}  // namespace latentsync::model
