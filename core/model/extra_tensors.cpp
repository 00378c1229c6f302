#include "core/model/extra_tensors.h"

#include <algorithm>

namespace latentsync::model {
namespace {

// Of dicts at the top of a checkpoint.
constexpr std::string_view kTrainersPrefixes[] = {
    "optimizer.",    "optimizers.",      "optimizer_state.", "optimizer_state_dict.",
    "lr_scheduler.", "lr_schedulers.",   "scaler.",          "grad_scaler.",
    "ema.",          "ema_model.",       "model_ema.",       "ema_state_dict.",
    "loss.",         "optimizer_states."};

// Last parts of names: whole numbers of positions (transformers), of batches (normalisation), of
// operations (profilers), of steps (trainers).
constexpr std::string_view kBuffers[] = {"position_ids", "num_batches_tracked", "total_ops",
                                         "total_params", "global_step",         "epoch"};

}  // namespace

bool is_extra_tensor(std::string_view name) {
  const auto last = name.substr(name.rfind('.') + 1);
  return std::ranges::any_of(kTrainersPrefixes,
                             [&](std::string_view prefix) { return name.starts_with(prefix); }) ||
         std::ranges::find(kBuffers, last) != std::end(kBuffers);
}

TensorMap without_extra_tensors(TensorMap tensors, std::vector<std::string>* left_out) {
  std::erase_if(tensors, [&](const auto& entry) {
    if (!is_extra_tensor(entry.first)) return false;
    if (left_out != nullptr) left_out->push_back(entry.first);
    return true;
  });
  return tensors;
}

}  // namespace latentsync::model
