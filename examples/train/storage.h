#pragma once

#include "core/model/tensor_file.h"

#include <filesystem>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

/// Files that the trainer writes. Each is written under another name and renamed when it is whole,
/// so that a run that is stopped leaves the former one. Errors: kUnreadable, naming the file.
namespace latentsync::train {

/// safetensors; tensors on any device, of any dtype that core/model reads.
void write_safetensors(const std::filesystem::path& path, const model::TensorMap& tensors,
                       const std::map<std::string, std::string>& metadata = {});

void write_text(const std::filesystem::path& path, const std::string& text);

/// picture: uint8 [H, W, 3], R, G, B. Not compressed.
void write_png(const std::filesystem::path& path, const at::Tensor& picture);

}  // namespace latentsync::train
