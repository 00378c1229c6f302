#pragma once

#include "tests/support/pt_writer_parts.h"
#include "tests/support/safetensors_writer.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

/// Writes what torch.save writes: a zip of stored entries, with ZIP64 where it is needed, around a
/// pickle of protocol 2.
namespace latentsync::test {

struct TorchFileLayout {
  /// The tensors lie in a dict under this key; empty: at the top. The published checkpoints have
  /// "state_dict" (latentsync_unet.pt) and "model_state_dict" (whisper/tiny.pt).
  std::string state_key;
  /// Integers beside them, e.g. {"global_step", 1}; a name with a dot lies in a dict of its own,
  /// e.g. {"dims.n_mels", 80}.
  std::map<std::string, int64_t> integers;
  /// The zip's folder; torch.save takes the file's stem.
  std::string folder = "archive";
  /// Writes ZIP64 records also where the numbers are small.
  bool force_zip64 = false;
};

/// Writes PATH, one tensor at a time; see write_safetensors.
void write_torch_file(const std::filesystem::path& path, const std::vector<TensorSpec>& specs,
                      const TensorSource& source, const TorchFileLayout& layout = {});

/// The same of tensors that are there already.
void write_torch_file(const std::filesystem::path& path, const model::TensorMap& tensors,
                      const TorchFileLayout& layout = {});

/// The pickle that write_torch_file puts into the zip; storages are numbered in the order of SPECS.
std::string torch_pickle(const std::vector<TensorSpec>& specs, const TorchFileLayout& layout);

}  // namespace latentsync::test
