#pragma once

#include "core/model/tensor_listing.h"

#include <cstdint>
#include <cstdlib>
#include <span>

namespace latentsync::fuzz {

/// Reads the first and the last byte of every tensor, so that a range outside FILE is seen by the
/// sanitizer, and checks that each range is as long as its elements reach.
inline void touch(const model::TensorListing& listing, std::span<const uint8_t> file) {
  volatile uint8_t sink = 0;
  for (const model::TensorDescription& tensor : listing.tensors) {
    const auto elements = model::extent(tensor.shape, tensor.strides);
    if (!elements || *elements * model::element_size(tensor.type) != tensor.bytes) std::abort();
    if (tensor.bytes == 0) continue;
    sink = static_cast<uint8_t>(sink + file.data()[tensor.begin] +
                                file.data()[tensor.begin + tensor.bytes - 1]);
  }
}

}  // namespace latentsync::fuzz
