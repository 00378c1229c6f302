#include "tests/support/pt_writer.h"

#include <fstream>
#include <stdexcept>

namespace latentsync::test {
namespace {

std::string storage_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "FloatStorage";
    case at::kDouble:
      return "DoubleStorage";
    case at::kHalf:
      return "HalfStorage";
    case at::kBFloat16:
      return "BFloat16Storage";
    case at::kLong:
      return "LongStorage";
    case at::kInt:
      return "IntStorage";
    case at::kShort:
      return "ShortStorage";
    case at::kChar:
      return "CharStorage";
    case at::kByte:
      return "ByteStorage";
    case at::kBool:
      return "BoolStorage";
    default:
      throw std::runtime_error("no storage type for this tensor");
  }
}

void pickle_spec(PickleWriter& pickle, const TensorSpec& spec, size_t number) {
  std::vector<int64_t> strides(spec.shape.size());
  int64_t elements = 1;
  for (size_t i = spec.shape.size(); i-- > 0;) {
    strides[i] = elements;
    elements *= spec.shape[i];
  }
  pickle.string(spec.name).tensor(storage_type(spec.dtype), std::to_string(number), elements, 0,
                                  spec.shape, strides);
}

/// Integers whose names begin with "GROUP.", as one dict under that key.
void pickle_integers(PickleWriter& pickle, const std::map<std::string, int64_t>& integers) {
  std::string open_group;
  for (const auto& [name, value] : integers) {
    const size_t dot = name.find('.');
    const std::string group = dot == std::string::npos ? "" : name.substr(0, dot);
    if (group != open_group) {
      if (!open_group.empty()) pickle.op("u");
      if (!group.empty()) pickle.string(group).op("}(");
      open_group = group;
    }
    pickle.string(group.empty() ? name : name.substr(dot + 1)).integer(value);
  }
  if (!open_group.empty()) pickle.op("u");
}

}  // namespace

std::string torch_pickle(const std::vector<TensorSpec>& specs, const TorchFileLayout& layout) {
  PickleWriter pickle;
  pickle.op("\x80\x02}(");
  pickle_integers(pickle, layout.integers);
  if (!layout.state_key.empty()) {
    pickle.string(layout.state_key).global("collections", "OrderedDict").op(")R(");
  }
  for (size_t i = 0; i < specs.size(); ++i) pickle_spec(pickle, specs[i], i);
  pickle.op(layout.state_key.empty() ? "u." : "uu.");
  return pickle.bytes();
}

void write_torch_file(const std::filesystem::path& path, const std::vector<TensorSpec>& specs,
                      const TensorSource& source, const TorchFileLayout& layout) {
  std::ofstream stream(path, std::ios::binary);
  ZipWriter zip(stream, layout.force_zip64);
  zip.add(layout.folder + "/data.pkl", torch_pickle(specs, layout));
  zip.add(layout.folder + "/byteorder", "little");
  for (size_t i = 0; i < specs.size(); ++i) {
    const at::Tensor tensor = tensor_for(specs[i], source);
    zip.add(layout.folder + "/data/" + std::to_string(i),
            {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()});
  }
  zip.add(layout.folder + "/version", "3\n");
  zip.finish();
  stream.close();
  if (!stream) throw std::runtime_error("cannot write " + path.string());
}

void write_torch_file(const std::filesystem::path& path, const model::TensorMap& tensors,
                      const TorchFileLayout& layout) {
  write_torch_file(
      path, specs_of(tensors), [&](const TensorSpec& spec) { return tensors.at(spec.name); },
      layout);
}

}  // namespace latentsync::test
