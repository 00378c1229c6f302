#include "core/error.h"
#include "core/model/tensor_file.h"

#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ATen/ops/from_blob.h>
#include <nlohmann/json.hpp>

namespace latentsync::model {
namespace {

at::ScalarType scalar_type(const std::string& name) {
  if (name == "F64") return at::kDouble;
  if (name == "F32") return at::kFloat;
  if (name == "F16") return at::kHalf;
  if (name == "BF16") return at::kBFloat16;
  if (name == "I64") return at::kLong;
  if (name == "I32") return at::kInt;
  if (name == "I16") return at::kShort;
  if (name == "I8") return at::kChar;
  if (name == "U8") return at::kByte;
  if (name == "BOOL") return at::kBool;
  throw Error(ErrorCode::kUnsupported, "unsupported dtype " + name);
}

}  // namespace

TensorFile open_safetensors(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw Error(ErrorCode::kNotFound, "Cannot open \"" + path.string() + "\"");
  struct stat st {};
  ::fstat(fd, &st);
  const auto size = static_cast<size_t>(st.st_size);
  void* base = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  ::close(fd);
  if (base == MAP_FAILED)
    throw Error(ErrorCode::kUnreadable, "Cannot map \"" + path.string() + "\"");
  std::shared_ptr<uint8_t> map(static_cast<uint8_t*>(base),
                               [size](uint8_t* p) { ::munmap(p, size); });
  uint64_t header = 0;
  std::memcpy(&header, map.get(), 8);
  if (size < 8 || header > size - 8) throw Error(ErrorCode::kDamagedFile, path.string());
  const auto json = nlohmann::json::parse(map.get() + 8, map.get() + 8 + header);
  TensorFile file{path, {}, {}, {}};
  for (const auto& [name, entry] : json.items()) {
    if (name == "__metadata__") {
      file.metadata = entry.get<std::map<std::string, std::string>>();
      continue;
    }
    const auto shape = entry.at("shape").get<std::vector<int64_t>>();
    const size_t begin = entry.at("data_offsets").at(0).get<size_t>();
    file.tensors.emplace(name, at::from_blob(
                                   map.get() + 8 + header + begin, shape, [map](void*) {},
                                   at::TensorOptions(scalar_type(entry.at("dtype")))));
  }
  return file;
}

TensorFile open_tensor_file(const std::filesystem::path& path) { return open_safetensors(path); }

}  // namespace latentsync::model
