#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

/// What a .pt file is made of. No LibTorch here, so that fuzzers can make files too.
namespace latentsync::test {

/// Zip entries, stored and aligned as torch.save does, written to a stream as they come.
class ZipWriter {
 public:
  /// STREAM must outlive the writer and stand at its beginning. Entries begin MISALIGNED bytes
  /// behind an address that torch.save would choose.
  explicit ZipWriter(std::ostream& stream, bool force_zip64 = false, size_t misaligned = 0);

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
  size_t misaligned_;
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
