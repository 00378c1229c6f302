#include "core/model/tensor_file.h"

#include "core/model/mapped_file.h"
#include "core/model/safetensors_format.h"
#include "core/model/tensor_listing.h"
#include "core/model/torch_zip_format.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

namespace latentsync::model {
namespace {

using FileHandle = std::shared_ptr<const MappedFile>;

/// Frees the context of a view; also the mark by which release_pages knows a view.
void drop_file_handle(void* context) { delete static_cast<FileHandle*>(context); }

at::ScalarType scalar_type(ElementType type) {
  switch (type) {
    case ElementType::kBool:
      return at::kBool;
    case ElementType::kUint8:
      return at::kByte;
    case ElementType::kInt8:
      return at::kChar;
    case ElementType::kInt16:
      return at::kShort;
    case ElementType::kInt32:
      return at::kInt;
    case ElementType::kInt64:
      return at::kLong;
    case ElementType::kFloat16:
      return at::kHalf;
    case ElementType::kBfloat16:
      return at::kBFloat16;
    case ElementType::kFloat32:
      return at::kFloat;
    case ElementType::kFloat64:
      return at::kDouble;
  }
  throw Error(ErrorCode::kInternal, "An element type without a scalar type.");
}

at::Tensor view_of(const TensorDescription& description, const FileHandle& file) {
  const uint8_t* data = file->bytes().data() + description.begin;
  return at::for_blob(const_cast<uint8_t*>(data), description.shape)
      .strides(at::IntArrayRef(description.strides))
      .context(new FileHandle(file), drop_file_handle)
      .options(scalar_type(description.type))
      .make_tensor();
}

/// What lies at odd addresses of a file: copied, once for all tensors that are of the same bytes.
class Copies {
 public:
  explicit Copies(const FileHandle& file) : file_(file) {}

  at::Tensor of(const TensorDescription& description) {
    const auto type = scalar_type(description.type);
    if (description.bytes == 0) return at::empty(description.shape, type);
    auto& copy = copies_[{description.begin, description.bytes, type}];
    if (!copy.defined()) {
      copied_ += description.bytes;
      if (copied_ > file_->bytes().size()) {
        refuse_unsupported(file_->path(),
                           "overlapping tensors are not aligned to their element size, at " +
                               name_text(description.name) +
                               ". Save it again: torch.save(torch.load(FILE, "
                               "weights_only=True), FILE)");
      }
      const uint8_t* data = file_->bytes().data() + description.begin;
      const auto elements = description.bytes / element_size(description.type);
      copy = at::empty({static_cast<int64_t>(elements)}, type);
      std::memcpy(copy.mutable_data_ptr(), data, description.bytes);
      file_->release(data, description.bytes);
    }
    return copy.as_strided(description.shape, description.strides);
  }

 private:
  const FileHandle& file_;
  std::map<std::tuple<uint64_t, uint64_t, at::ScalarType>, at::Tensor> copies_;
  uint64_t copied_ = 0;
};

TensorFile make_tensor_file(const FileHandle& file, TensorListing listing) {
  TensorFile result{file->path(), {}, std::move(listing.integers), std::move(listing.metadata)};
  Copies copies(file);
  for (const TensorDescription& description : listing.tensors) {
    const uint8_t* data = file->bytes().data() + description.begin;
    const bool aligned = reinterpret_cast<uintptr_t>(data) % element_size(description.type) == 0;
    result.tensors.emplace(description.name, description.bytes > 0 && aligned
                                                 ? view_of(description, file)
                                                 : copies.of(description));
  }
  return result;
}

/// For what people get instead of a model: says what it is and what to do.
void refuse_known_impostors(std::string_view start, const std::string& path) {
  if (start.starts_with("version https://git-lfs")) {
    refuse_damaged(path, "it is only a Git LFS pointer, not the model itself (run `git lfs pull`)");
  }
  if (start.starts_with("<")) refuse_damaged(path, "it is a web page, not a model");
  const bool is_tar = start.size() >= 262 && start.substr(257, 5) == "ustar";
  if (start.starts_with("\x80\x02") || is_tar) {
    refuse_unsupported(
        path,
        "it has the format of PyTorch before 1.6, which is not supported. Convert it in "
        "Python: torch.save(torch.load(FILE, weights_only=True), FILE)");
  }
}

/// Byte 8 tells: a safetensors header begins there, and it is no '{' in any of the others.
TensorListing list_tensors(std::span<const uint8_t> bytes, const std::string& path) {
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                               std::min<size_t>(bytes.size(), 512));
  const bool is_safetensors = start.size() > 8 && start[8] == '{';
  if (!is_safetensors && start.starts_with("PK")) return list_torch_zip(bytes, path);
  if (!is_safetensors) refuse_known_impostors(start, path);
  return list_safetensors(bytes, path);
}

}  // namespace

TensorFile open_tensor_file(const std::filesystem::path& path) {
  const FileHandle file = MappedFile::open(path);
  return make_tensor_file(file, list_tensors(file->bytes(), path.string()));
}

TensorFile open_safetensors(const std::filesystem::path& path) {
  const FileHandle file = MappedFile::open(path);
  return make_tensor_file(file, list_safetensors(file->bytes(), path.string()));
}

TensorFile open_torch_zip(const std::filesystem::path& path) {
  const FileHandle file = MappedFile::open(path);
  return make_tensor_file(file, list_torch_zip(file->bytes(), path.string()));
}

void release_pages(const at::Tensor& tensor) {
  if (!tensor.has_storage()) return;
  const c10::DataPtr& data = tensor.storage().data_ptr();
  if (data.get_deleter() != &drop_file_handle) return;
  const auto& file = *static_cast<const FileHandle*>(data.get_context());
  file->release(data.get(), tensor.storage().nbytes());
}

}  // namespace latentsync::model
