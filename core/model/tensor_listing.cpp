#include "core/model/tensor_listing.h"

#include <cstdio>
#include <utility>

namespace latentsync::model {

size_t element_size(ElementType type) noexcept {
  switch (type) {
    case ElementType::kBool:
    case ElementType::kUint8:
    case ElementType::kInt8:
      return 1;
    case ElementType::kInt16:
    case ElementType::kFloat16:
    case ElementType::kBfloat16:
      return 2;
    case ElementType::kInt32:
    case ElementType::kFloat32:
      return 4;
    case ElementType::kInt64:
    case ElementType::kFloat64:
      return 8;
  }
  return 8;
}

std::optional<std::vector<int64_t>> contiguous_strides(std::span<const int64_t> shape) {
  if (shape.size() > kMaxDimensions) return std::nullopt;
  std::vector<int64_t> strides(shape.size());
  int64_t count = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = count;
    if (shape[i] < 0) return std::nullopt;
    if (shape[i] > 1 && __builtin_mul_overflow(count, shape[i], &count)) return std::nullopt;
  }
  return strides;
}

std::optional<uint64_t> extent(std::span<const int64_t> shape, std::span<const int64_t> strides) {
  uint64_t last = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) return 0;
    uint64_t step = 0;
    if (__builtin_mul_overflow(static_cast<uint64_t>(shape[i] - 1),
                               static_cast<uint64_t>(strides[i]), &step) ||
        __builtin_add_overflow(last, step, &last)) {
      return std::nullopt;
    }
  }
  if (__builtin_add_overflow(last, uint64_t{1}, &last)) return std::nullopt;
  return last;
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

std::string name_text(std::string_view text) {
  constexpr size_t kLongest = 200;
  std::string result = "\"";
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      result += c;
    } else {
      char escaped[5];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      result += escaped;
    }
  }
  return result + (text.size() > kLongest ? "...\"" : "\"");
}

void refuse_damaged(const std::string& path, const std::string& what, std::string detail) {
  throw Error(
      ErrorCode::kDamagedFile,
      "The model file \"" + path + "\" is damaged: " + what + ". Copy or download it again.",
      std::move(detail));
}

void refuse_unsupported(const std::string& path, const std::string& what, std::string detail) {
  throw Error(ErrorCode::kUnsupported,
              "The model file \"" + path + "\" cannot be used: " + what + ".", std::move(detail));
}

}  // namespace latentsync::model
