#pragma once

#include <cstdint>

namespace latentsync::nn {

/// How an evaluation trades time for memory. Results are equal within rounding whatever is chosen.
/// Ignored where gradients are recorded.
struct MemoryOptions {
  /// Parts that the rows of a feed-forward are computed in, one after the other, each with
  /// intermediate activations of its own only: 1 and more.
  int64_t feed_forward_chunks = 1;
  /// Bytes of scores, as float32, that AttentionMode::kStandard holds at once; 0: 256 MiB on a CPU,
  /// 1 GiB on other devices, which want large products. At least one row of one entry is computed
  /// at a time.
  int64_t score_bytes = 0;

  bool operator==(const MemoryOptions&) const = default;
};

}  // namespace latentsync::nn
