#include "tests/support/safetensors_writer.h"

#include <fstream>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace latentsync::test {
namespace {

const char* type_name(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "F32";
    case at::kDouble:
      return "F64";
    case at::kHalf:
      return "F16";
    case at::kBFloat16:
      return "BF16";
    case at::kLong:
      return "I64";
    case at::kInt:
      return "I32";
    case at::kShort:
      return "I16";
    case at::kChar:
      return "I8";
    case at::kByte:
      return "U8";
    case at::kBool:
      return "BOOL";
    default:
      throw std::runtime_error("no safetensors type for this tensor");
  }
}

uint64_t byte_size(const TensorSpec& spec) {
  uint64_t bytes = c10::elementSize(spec.dtype);
  for (const int64_t size : spec.shape) bytes *= static_cast<uint64_t>(size);
  return bytes;
}

}  // namespace

std::vector<TensorSpec> specs_of(const model::TensorMap& tensors) {
  std::vector<TensorSpec> specs;
  for (const auto& [name, tensor] : tensors) {
    specs.push_back({name, tensor.sizes().vec(), tensor.scalar_type()});
  }
  return specs;
}

at::Tensor tensor_for(const TensorSpec& spec, const TensorSource& source) {
  const at::Tensor tensor = source(spec);
  if (tensor.sizes() != at::IntArrayRef(spec.shape)) {
    throw std::runtime_error("the source gave another shape for " + spec.name);
  }
  return tensor.to(spec.dtype).contiguous();
}

std::string safetensors_bytes(const std::string& header, const std::string& data) {
  const uint64_t size = header.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + header + data;
}

void write_safetensors(const std::filesystem::path& path, const std::vector<TensorSpec>& specs,
                       const TensorSource& source,
                       const std::map<std::string, std::string>& metadata) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const TensorSpec& spec : specs) {
    const uint64_t end = offset + byte_size(spec);
    header[spec.name] = {
        {"dtype", type_name(spec.dtype)}, {"shape", spec.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // so that the data is aligned
  std::ofstream stream(path, std::ios::binary);
  stream << safetensors_bytes(text, "");
  for (const TensorSpec& spec : specs) {
    const at::Tensor tensor = tensor_for(spec, source);
    stream.write(static_cast<const char*>(tensor.const_data_ptr()),
                 static_cast<std::streamsize>(tensor.nbytes()));
  }
  stream.close();
  if (!stream) throw std::runtime_error("cannot write " + path.string());
}

void write_safetensors(const std::filesystem::path& path, const model::TensorMap& tensors) {
  write_safetensors(path, specs_of(tensors),
                    [&](const TensorSpec& spec) { return tensors.at(spec.name); });
}

}  // namespace latentsync::test
