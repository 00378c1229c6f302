#pragma once

#include <filesystem>

#include <ATen/core/Tensor.h>

namespace latentsync::test {

/// A PNG file's colours, uint8 [H, W, 3] (R, G, B; greys are tripled, alpha is dropped). Throws
/// std::runtime_error where the file cannot be read.
at::Tensor read_png(const std::filesystem::path& path);

}  // namespace latentsync::test
