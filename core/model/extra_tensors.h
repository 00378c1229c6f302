#pragma once

#include "core/model/tensor_file.h"

#include <string>
#include <string_view>
#include <vector>

/// Tensors that checkpoints hold beside a network's weights and that no network computes with.
namespace latentsync::model {

/// Whether NAME is that of a trainer's state (the optimiser's, the scheduler's, averaged copies of
/// the weights, losses) or of a counter or buffer that libraries register in modules and that
/// follows from the configuration. None of the networks here has a tensor of such a name.
bool is_extra_tensor(std::string_view name);

/// TENSORS without those; their names are appended to LEFT_OUT, where it is given.
TensorMap without_extra_tensors(TensorMap tensors, std::vector<std::string>* left_out = nullptr);

}  // namespace latentsync::model
