#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

namespace latentsync::model {

/// Name -> tensor. Ordered by name, so that every walk over it is deterministic.
using TensorMap = std::map<std::string, at::Tensor>;

/// The contents of one model file.
///
/// Tensors are views of the mapped file: they are read-only by contract, on the CPU, in the dtype
/// that the file has, and each keeps the mapping alive. Nothing of the file is copied until
/// somebody reads it. (The one exception: a tensor that does not lie on a multiple of its element
/// size is copied when the file is opened, as reading it in place would be undefined.)
struct TensorFile {
  std::filesystem::path path;
  /// Nested dicts of a .pt are flattened with '.', e.g. "state_dict.conv_in.weight".
  TensorMap tensors;
  /// Integers beside the tensors, flattened alike, e.g. "dims.n_audio_state". Empty for
  /// safetensors.
  std::map<std::string, int64_t> integers;
  /// `__metadata__` of a safetensors file.
  std::map<std::string, std::string> metadata;
};

/// Opens PATH by its content, not by its extension: safetensors, or a PyTorch zip file.
/// Errors: kNotFound, kUnreadable, kDamagedFile, kUnsupported; each message names the file, and the
/// tensor where one is at fault.
TensorFile open_tensor_file(const std::filesystem::path& path);

/// Reader of https://github.com/huggingface/safetensors files (format as of 0.4).
TensorFile open_safetensors(const std::filesystem::path& path);

/// Reader of the zip files that torch.save writes. Runs no code: the pickle inside is read by an
/// interpreter that knows tensors, dicts, lists, numbers and strings, and refuses all else by name.
TensorFile open_torch_zip(const std::filesystem::path& path);

/// Takes the pages of a file that TENSOR views out of resident memory; its values stay readable.
/// Nothing happens to tensors that are no view of a mapped file.
void release_pages(const at::Tensor& tensor);

}  // namespace latentsync::model
