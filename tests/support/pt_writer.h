#pragma once

#include "tests/support/safetensors_writer.h"

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <map>
#include <string>
#include <string_view>
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

/// Zip entries, stored and aligned as torch.save does, written to a stream as they come.
class ZipWriter {
 public:
  /// STREAM must outlive the writer and stand at its beginning.
  explicit ZipWriter(std::ostream& stream, bool force_zip64 = false);

  void add(const std::string& name, std::string_view bytes);
  /// The directory; nothing may be added behind it.
  void finish();

 private:
  struct Entry {
    std::string name;
    uint32_t checksum = 0;
    uint64_t size = 0;
    uint64_t offset = 0;
  };

  void write(const std::string& bytes);

  std::ostream& stream_;
  bool force_zip64_;
  uint64_t position_ = 0;
  std::vector<Entry> entries_;
};

/// Pickle opcodes, one call each.
class PickleWriter {
 public:
  PickleWriter& op(std::string_view opcodes);
  PickleWriter& string(std::string_view text);
  PickleWriter& integer(int64_t value);
  PickleWriter& global(std::string_view module, std::string_view name);
  /// A tuple of up to three integers, or of more behind a mark.
  PickleWriter& sizes(const std::vector<int64_t>& values);
  /// The persistent id of a storage.
  PickleWriter& storage(std::string_view type, std::string_view key, int64_t elements);
  /// A call of _rebuild_tensor_v2.
  PickleWriter& tensor(std::string_view type, std::string_view key, int64_t elements,
                       int64_t offset, const std::vector<int64_t>& shape,
                       const std::vector<int64_t>& strides);
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace latentsync::test
