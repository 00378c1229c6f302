#pragma once

#include "core/error.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What the readers of model files make: a list of names, shapes and byte ranges. No LibTorch here,
/// so that the readers can be tested and fuzzed alone.
namespace latentsync::model {

enum class ElementType {
  kBool,
  kUint8,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFloat16,
  kBfloat16,
  kFloat32,
  kFloat64,
};

/// Bytes of one element.
size_t element_size(ElementType type) noexcept;

/// One tensor of a file. Every element lies within [begin, begin + bytes) of the file, and
/// begin + bytes is at most the file's size: whoever makes one has checked it.
struct TensorDescription {
  std::string name;
  ElementType type = ElementType::kFloat32;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  ///< in elements, none negative
  uint64_t begin = 0;            ///< where element [0, 0, ...] is
  uint64_t bytes = 0;            ///< from there to the end of the last element; 0: no elements
};

struct TensorListing {
  std::vector<TensorDescription> tensors;  ///< no name twice
  std::map<std::string, int64_t> integers;
  std::map<std::string, std::string> metadata;
};

/// The dimensions that a tensor of a model file may have at most.
inline constexpr size_t kMaxDimensions = 8;

/// Row-major strides of SHAPE; none where the elements, with empty dimensions counted as 1, do not
/// fit in int64, or where a dimension is negative or there are more than kMaxDimensions.
std::optional<std::vector<int64_t>> contiguous_strides(std::span<const int64_t> shape);

/// Elements between the first and one past the last, given that shape and strides are not negative;
/// 0 for a tensor without elements; none on overflow.
std::optional<uint64_t> extent(std::span<const int64_t> shape, std::span<const int64_t> strides);

/// "[2, 3]".
std::string shape_text(std::span<const int64_t> shape);

/// TEXT in double quotes with everything but printable ASCII escaped, cut at 200 characters: names
/// in a foreign file may be anything.
std::string name_text(std::string_view text);

/// Throws kDamagedFile: `The model file "PATH" is damaged: WHAT. Copy or download it again.`
[[noreturn]] void refuse_damaged(const std::string& path, const std::string& what,
                                 std::string detail = {});

/// Throws kUnsupported: `The model file "PATH" cannot be used: WHAT.`
[[noreturn]] void refuse_unsupported(const std::string& path, const std::string& what,
                                     std::string detail = {});

}  // namespace latentsync::model
