#include "core/model/state_dict.h"

#include "core/error.h"

#include <sstream>

namespace latentsync::model {

void load_state(torch::nn::Module& module, const TensorMap& source, const std::string& origin,
                c10::Device device, c10::ScalarType dtype) {
  auto fill = [&](const std::string& name, at::Tensor& target) {
    const auto found = source.find(name);
    if (found == source.end()) {
      throw Error(ErrorCode::kForeignModel, "\"" + origin + "\" lacks the tensor " + name);
    }
    if (found->second.sizes() != target.sizes()) {
      std::ostringstream text;
      text << "\"" << origin << "\": tensor " << name << " is " << found->second.sizes()
           << ", the model needs " << target.sizes();
      throw Error(ErrorCode::kForeignModel, text.str());
    }
    target.set_data(found->second.to(device, dtype, /*non_blocking=*/false, /*copy=*/true));
  };
  for (auto& item : module.named_parameters()) fill(item.key(), item.value());
  for (auto& item : module.named_buffers()) fill(item.key(), item.value());
}

}  // namespace latentsync::model
