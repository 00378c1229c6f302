#pragma once

#include "core/model/tensor_listing.h"

#include <cstdint>
#include <span>
#include <string>

namespace latentsync::model {

/// A longer header is refused, as the format's own library does.
inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;

/// Lists the tensors of a safetensors file (https://github.com/huggingface/safetensors): 8 bytes of
/// header length, the JSON header, the data.
///
/// Strict: the tensors cover the data without overlap, hole or rest; shape times element size is
/// each one's length; no key twice, none unknown. Errors: kDamagedFile; kUnsupported for an element
/// type that PyTorch's CPU code has no use for. PATH is for the messages.
TensorListing list_safetensors(std::span<const uint8_t> file, const std::string& path);

}  // namespace latentsync::model
