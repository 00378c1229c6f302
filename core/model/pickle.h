#pragma once

#include "core/model/tensor_listing.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace latentsync::model {

/// A longer pickle, or one that makes more objects, is refused: the published checkpoints need
/// 0.3 MB and 30,000.
inline constexpr uint64_t kMaxPickleSize = 32u << 20;
inline constexpr uint64_t kMaxPickleObjects = 1'000'000;

struct PickleNode {
  enum class Kind { kOther, kInteger, kString, kTuple, kList, kDict, kGlobal, kStorage, kTensor };

  Kind kind = Kind::kOther;  ///< kOther: None, a boolean or a float, whose values nobody needs
  int64_t integer = 0;       ///< kInteger: the value; kTensor: index into Pickle::tensors;
                             ///< kStorage: its elements; kGlobal: which one
  ElementType type = ElementType::kFloat32;  ///< kStorage: of its elements
  uint32_t key = 0;                          ///< kStorage: the node of its key in the zip
  std::string text;                          ///< kString: the value
  std::vector<uint32_t> items;  ///< kTuple, kList: nodes; kDict: key, value, key, value, ...
};

/// A tensor as the pickle tells it; nothing is checked against the storage yet.
struct PickledTensor {
  uint32_t storage_key = 0;  ///< the node of it; many tensors may share one
  uint64_t storage_elements = 0;
  ElementType type = ElementType::kFloat32;
  int64_t offset = 0;            ///< in elements, not negative
  std::vector<int64_t> shape;    ///< not negative
  std::vector<int64_t> strides;  ///< in elements, not negative, as many as the shape has
};

/// A graph, not a tree: nodes can be shared, and a hostile pickle can make cycles.
struct Pickle {
  std::vector<PickleNode> nodes;
  std::vector<PickledTensor> tensors;
  uint32_t root = 0;
};

/// Reads a pickle of protocol 2 as torch.save writes it for weights, and runs nothing: the only
/// callables it knows are OrderedDict and the two functions that rebuild tensors and parameters,
/// which it does itself. Errors: kUnsupported, by name, for every other opcode and global;
/// kDamagedFile for everything that is malformed or over a limit. PATH is for the messages.
Pickle read_pickle(std::span<const uint8_t> data, const std::string& path);

}  // namespace latentsync::model
