#pragma once

#include <ATen/core/Tensor.h>

/// When a result may take the memory of an operand, so that a network holds no activation longer
/// than it is read. Nothing here is done in place while gradients are recorded.
namespace latentsync::nn {

/// Whether X's memory may be written over: gradients are off and no other tensor has it. X is the
/// caller's own tensor, which was moved or returned to it and which it does not read again.
bool may_overwrite(const at::Tensor& x);

/// x + y, in x's memory unless gradients are recorded. X was made by the caller: nobody else reads
/// it, though views of it may exist.
at::Tensor add_into(at::Tensor x, const at::Tensor& y);

/// relu(x), likewise.
at::Tensor relu_into(at::Tensor x);

}  // namespace latentsync::nn
