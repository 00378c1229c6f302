#include "core/model/zip_archive.h"

#include "core/model/tensor_listing.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace latentsync::model {
namespace {

static_assert(std::endian::native == std::endian::little, "zip files are little-endian");

constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kCentralHeader = 0x02014b50;
constexpr uint32_t kEnd = 0x06054b50;
constexpr uint32_t kEnd64 = 0x06064b50;
constexpr uint32_t kEnd64Locator = 0x07064b50;
constexpr size_t kLocalHeaderSize = 30;
constexpr size_t kCentralHeaderSize = 46;
constexpr size_t kEndSize = 22;
constexpr size_t kEnd64Size = 56;
constexpr size_t kEnd64LocatorSize = 20;
constexpr uint16_t kZip64Extra = 1;
constexpr uint32_t kElsewhere32 = 0xffffffff;  ///< the value is in the ZIP64 record
constexpr uint16_t kElsewhere16 = 0xffff;
constexpr uint16_t kEncrypted = 0x0041;  ///< flags of plain and of strong encryption
constexpr uint16_t kSizesFollow = 0x0008;

/// Where the central directory is and how many entries it has.
struct Directory {
  uint64_t entries = 0;
  uint64_t begin = 0;
  uint64_t size = 0;
};

struct Entry {
  std::string name;
  uint16_t flags = 0;
  uint16_t method = 0;
  uint64_t size = 0;
  uint64_t stored_size = 0;
  uint64_t header = 0;  ///< where its local header is
  uint64_t data = 0;    ///< where its bytes are
};

class ZipReader {
 public:
  ZipReader(std::span<const uint8_t> file, const std::string& path) : file_(file), path_(path) {}

  ZipEntries read() {
    const Directory directory = find_directory();
    std::vector<Entry> entries = read_directory(directory);
    for (Entry& entry : entries) check_local_header(entry, directory.begin);
    check_overlaps(entries, directory.begin);
    ZipEntries result;
    for (const Entry& entry : entries) {
      const auto bytes = file_.subspan(entry.data, entry.size);
      if (!result.emplace(entry.name, bytes).second) {
        refuse("entry " + name_text(entry.name) + " appears twice");
      }
    }
    return result;
  }

 private:
  [[noreturn]] void refuse(const std::string& what, std::string detail = {}) const {
    refuse_damaged(path_, what, std::move(detail));
  }

  template <typename T>
  T at(uint64_t offset) const {
    if (offset > file_.size() || file_.size() - offset < sizeof(T)) {
      refuse("its zip structure reaches beyond the end of the file",
             "byte " + std::to_string(offset) + " of " + std::to_string(file_.size()));
    }
    T value;
    std::memcpy(&value, file_.data() + offset, sizeof value);
    return value;
  }

  std::string_view text(uint64_t offset, size_t size) const {
    if (offset > file_.size() || file_.size() - offset < size) {
      refuse("its zip structure reaches beyond the end of the file",
             "byte " + std::to_string(offset) + " of " + std::to_string(file_.size()));
    }
    return {reinterpret_cast<const char*>(file_.data() + offset), size};
  }

  Directory find_directory() const {
    if (file_.size() < kEndSize || at<uint32_t>(file_.size() - kEndSize) != kEnd) {
      refuse("it does not end with a zip directory (is the file cut short?)",
             std::to_string(file_.size()) + " bytes");
    }
    const uint64_t end = file_.size() - kEndSize;
    Directory directory{at<uint16_t>(end + 10), at<uint32_t>(end + 16), at<uint32_t>(end + 12)};
    if (at<uint16_t>(end + 4) != 0 || at<uint16_t>(end + 6) != 0 ||
        at<uint16_t>(end + 8) != directory.entries || at<uint16_t>(end + 20) != 0) {
      refuse("its zip directory claims several volumes or a comment");
    }
    uint64_t directory_end = end;
    const bool has_end64 =
        end >= kEnd64LocatorSize && at<uint32_t>(end - kEnd64LocatorSize) == kEnd64Locator;
    if (has_end64) {
      directory_end = at<uint64_t>(end - kEnd64LocatorSize + 8);
      directory = read_end64(end, directory_end, directory);
    }
    if (directory.entries > kMaxZipEntries ||
        directory.size / kCentralHeaderSize < directory.entries) {
      refuse("its zip directory claims more entries than it can hold",
             std::to_string(directory.entries) + " entries in " + std::to_string(directory.size) +
                 " bytes");
    }
    if (directory.begin > directory_end || directory.size != directory_end - directory.begin) {
      refuse("its zip directory is not at the position stated at the end of the file",
             "at " + std::to_string(directory.begin) + ", " + std::to_string(directory.size) +
                 " bytes, expected to end at " + std::to_string(directory_end));
    }
    return directory;
  }

  /// The ZIP64 record at RECORD must lie right before its locator and agree with the plain END
  /// record wherever that one has a value at all.
  Directory read_end64(uint64_t end, uint64_t record, const Directory& plain) const {
    const uint64_t locator = end - kEnd64LocatorSize;
    const bool placed = locator >= kEnd64Size && record == locator - kEnd64Size &&
                        at<uint32_t>(record) == kEnd64 &&
                        at<uint64_t>(record + 4) == kEnd64Size - 12;
    if (!placed || at<uint32_t>(locator + 4) != 0 || at<uint32_t>(locator + 16) > 1 ||
        at<uint32_t>(record + 16) != 0 || at<uint32_t>(record + 20) != 0) {
      refuse("its ZIP64 directory record is not where it should be",
             "at " + std::to_string(record) + ", its locator at " + std::to_string(locator));
    }
    const Directory directory{at<uint64_t>(record + 32), at<uint64_t>(record + 48),
                              at<uint64_t>(record + 40)};
    const auto agrees = [](uint64_t value, uint64_t other, uint64_t elsewhere) {
      return other == elsewhere || other == value;
    };
    if (at<uint64_t>(record + 24) != directory.entries ||
        !agrees(directory.entries, plain.entries, kElsewhere16) ||
        !agrees(directory.begin, plain.begin, kElsewhere32) ||
        !agrees(directory.size, plain.size, kElsewhere32)) {
      refuse("its ZIP64 directory record contradicts the plain one");
    }
    return directory;
  }

  std::vector<Entry> read_directory(const Directory& directory) const {
    std::vector<Entry> entries;
    entries.reserve(directory.entries);
    const uint64_t end = directory.begin + directory.size;
    uint64_t position = directory.begin;
    for (uint64_t i = 0; i < directory.entries; ++i) {
      if (end - position < kCentralHeaderSize || at<uint32_t>(position) != kCentralHeader) {
        refuse("entry " + std::to_string(i) + " of its zip directory is malformed");
      }
      const uint64_t name_size = at<uint16_t>(position + 28);
      const uint64_t extra_size = at<uint16_t>(position + 30);
      const uint64_t comment_size = at<uint16_t>(position + 32);
      if (end - position - kCentralHeaderSize < name_size + extra_size + comment_size) {
        refuse("entry " + std::to_string(i) + " of its zip directory is malformed");
      }
      Entry entry{.name = std::string(text(position + kCentralHeaderSize, name_size)),
                  .flags = at<uint16_t>(position + 8),
                  .method = at<uint16_t>(position + 10),
                  .size = at<uint32_t>(position + 24),
                  .stored_size = at<uint32_t>(position + 20),
                  .header = at<uint32_t>(position + 42)};
      const uint64_t extra = position + kCentralHeaderSize + name_size;
      read_zip64_extra(entry, extra, extra_size, at<uint16_t>(position + 34));
      if ((entry.flags & kEncrypted) != 0) {
        refuse_unsupported(path_, "its entry " + name_text(entry.name) + " is encrypted");
      }
      if (entry.method != 0) {
        refuse_unsupported(path_, "its entry " + name_text(entry.name) +
                                      " is compressed; torch.save does not compress");
      }
      if (entry.size != entry.stored_size) {
        refuse("entry " + name_text(entry.name) + " is not compressed but has two sizes",
               std::to_string(entry.stored_size) + " and " + std::to_string(entry.size));
      }
      entries.push_back(std::move(entry));
      position += kCentralHeaderSize + name_size + extra_size + comment_size;
    }
    if (position != end) refuse("its zip directory has bytes after the last entry");
    return entries;
  }

  /// The offset in [begin, begin + size) where the body of the extra field with this id begins, and
  /// the body's size.
  std::optional<std::pair<uint64_t, uint64_t>> find_extra(uint64_t begin, uint64_t size,
                                                          uint16_t id) const {
    for (uint64_t position = begin; begin + size - position >= 4;) {
      const uint64_t body_size = at<uint16_t>(position + 2);
      if (begin + size - position - 4 < body_size) refuse("a zip extra field is too long");
      if (at<uint16_t>(position) == id) return std::pair(position + 4, body_size);
      position += 4 + body_size;
    }
    return std::nullopt;
  }

  void read_zip64_extra(Entry& entry, uint64_t begin, uint64_t size, uint16_t volume) const {
    const auto body = find_extra(begin, size, kZip64Extra);
    uint64_t position = body ? body->first : 0;
    uint64_t left = body ? body->second : 0;
    for (uint64_t* value : {&entry.size, &entry.stored_size, &entry.header}) {
      if (*value != kElsewhere32) continue;
      if (left < 8) refuse("entry " + name_text(entry.name) + " lacks its ZIP64 sizes");
      *value = at<uint64_t>(position);
      position += 8;
      left -= 8;
    }
    if (volume != 0) refuse("entry " + name_text(entry.name) + " claims another volume");
  }

  /// Finds the entry's bytes behind its local header, which must tell the same.
  void check_local_header(Entry& entry, uint64_t directory_begin) const {
    const std::string name = "entry " + name_text(entry.name);
    if (entry.header > directory_begin || directory_begin - entry.header < kLocalHeaderSize ||
        at<uint32_t>(entry.header) != kLocalHeader) {
      refuse(name + " has no local header at the position stated in the directory",
             "at " + std::to_string(entry.header));
    }
    const uint64_t name_size = at<uint16_t>(entry.header + 26);
    const uint64_t extra_size = at<uint16_t>(entry.header + 28);
    if (at<uint16_t>(entry.header + 6) != entry.flags ||
        at<uint16_t>(entry.header + 8) != entry.method ||
        text(entry.header + kLocalHeaderSize, name_size) != entry.name) {
      refuse(name + " differs in its local header (name, flags or method)");
    }
    entry.data = entry.header + kLocalHeaderSize + name_size + extra_size;
    if (entry.data > directory_begin || directory_begin - entry.data < entry.size) {
      refuse(name + " reaches beyond the zip's entries",
             std::to_string(entry.size) + " bytes at " + std::to_string(entry.data));
    }
    check_local_sizes(entry, extra_size);
  }

  void check_local_sizes(const Entry& entry, uint64_t extra_size) const {
    const auto extra = find_extra(entry.data - extra_size, extra_size, kZip64Extra);
    uint64_t position = extra ? extra->first : 0;
    uint64_t left = extra ? extra->second : 0;
    for (const uint64_t field : {uint64_t{22}, uint64_t{18}}) {
      uint64_t size = at<uint32_t>(entry.header + field);
      if (size == kElsewhere32 && left >= 8) {
        size = at<uint64_t>(position);
        position += 8;
        left -= 8;
      }
      const bool told_later =
          (entry.flags & kSizesFollow) != 0 && (size == 0 || size == kElsewhere32);
      if (size != entry.size && !told_later) {
        refuse("entry " + name_text(entry.name) + " has another size in its local header",
               std::to_string(size) + ", in the directory " + std::to_string(entry.size));
      }
    }
  }

  /// Entries that share bytes are how a small file claims to be a huge one.
  void check_overlaps(std::vector<Entry>& entries, uint64_t directory_begin) const {
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return a.header < b.header; });
    uint64_t reached = 0;
    for (const Entry& entry : entries) {
      if (entry.header < reached) refuse("entry " + name_text(entry.name) + " overlaps another");
      reached = entry.data + entry.size;
    }
    if (!entries.empty() && entries.front().header != 0) {
      refuse("bytes precede its first zip entry",
             std::to_string(entries.front().header) + " bytes");
    }
  }

  std::span<const uint8_t> file_;
  const std::string& path_;
};

}  // namespace

ZipEntries list_zip(std::span<const uint8_t> file, const std::string& path) {
  return ZipReader(file, path).read();
}

}  // namespace latentsync::model
