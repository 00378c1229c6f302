#pragma once

#include "core/model/tensor_file.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <c10/core/ScalarType.h>

/// Writers of model files, which never hold more than one tensor.
namespace latentsync::test {

/// A tensor that is to be written.
struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;
  at::ScalarType dtype = at::kFloat;
};

/// Makes the tensor of a spec when its turn comes: that shape, any dtype (it is converted), on the
/// CPU. Called once for each, in the order of the specs.
using TensorSource = std::function<at::Tensor(const TensorSpec&)>;

/// Writes PATH (its folder must be there), the data in the order of SPECS. Throws
/// std::runtime_error when it cannot be written, or when SOURCE's shape is not the spec's.
void write_safetensors(const std::filesystem::path& path, const std::vector<TensorSpec>& specs,
                       const TensorSource& source,
                       const std::map<std::string, std::string>& metadata = {});

/// The same of tensors that are there already.
void write_safetensors(const std::filesystem::path& path, const model::TensorMap& tensors);

/// The specs of TENSORS, in their order.
std::vector<TensorSpec> specs_of(const model::TensorMap& tensors);

/// SOURCE's tensor for SPEC, contiguous and in the spec's dtype, with its shape checked.
at::Tensor tensor_for(const TensorSpec& spec, const TensorSource& source);

/// A safetensors file with this header, true or not, and this data.
std::string safetensors_bytes(const std::string& header, const std::string& data);

}  // namespace latentsync::test
