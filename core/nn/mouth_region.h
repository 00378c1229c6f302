#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <tuple>

#include <ATen/core/Tensor.h>

namespace latentsync::nn {

inline constexpr double kFlexCrossAttentionScale = 1.5;

/// The mouth region of a face crop's token grid: rows y >= 0.6 height, columns whose middle x + 0.5
/// is 0.3 to 0.7 width. Returns row-major token numbers, int64 [n], ascending; empty for grids too
/// small to have one.
at::Tensor mouth_tokens(int64_t height, int64_t width);

/// What flex attention needs of one grid.
struct MouthRegion {
  at::Tensor tokens;       ///< int64 [n], as mouth_tokens()
  at::Tensor query_scale;  ///< [height*width, 1]: kFlexCrossAttentionScale in the region, else 1
};

/// The regions of the grids that were asked for, each made once. Any number of threads may ask.
class MouthRegions {
 public:
  /// options: device of both tensors, dtype of query_scale.
  MouthRegion of(int64_t height, int64_t width, const at::TensorOptions& options);

 private:
  using Key = std::tuple<int64_t, int64_t, std::string, at::ScalarType>;
  std::mutex mutex_;
  std::map<Key, MouthRegion> regions_;
};

}  // namespace latentsync::nn
