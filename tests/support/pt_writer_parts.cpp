#include "tests/support/pt_writer_parts.h"

#include <algorithm>
#include <array>
#include <limits>
#include <ostream>

namespace latentsync::test {
namespace {

constexpr uint32_t kElsewhere = 0xffffffff;
constexpr size_t kAlignment = 64;

template <typename T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// CRC-32, eight bytes a step.
uint32_t crc32(std::string_view bytes) {
  static const auto tables = [] {
    std::array<std::array<uint32_t, 256>, 8> made{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xedb88320 : 0);
      made[0][i] = value;
    }
    for (size_t table = 1; table < 8; ++table) {
      for (size_t i = 0; i < 256; ++i) {
        const uint32_t before = made[table - 1][i];
        made[table][i] = (before >> 8) ^ made[0][before & 0xff];
      }
    }
    return made;
  }();
  uint32_t crc = 0xffffffff;
  size_t i = 0;
  const auto byte = [&](size_t at) { return static_cast<uint8_t>(bytes[at]); };
  for (; i + 8 <= bytes.size(); i += 8) {
    uint32_t next = 0;
    for (size_t k = 0; k < 4; ++k) {
      next ^= tables[7 - k][((crc >> (8 * k)) & 0xff) ^ byte(i + k)];
      next ^= tables[3 - k][byte(i + 4 + k)];
    }
    crc = next;
  }
  for (; i < bytes.size(); ++i) crc = (crc >> 8) ^ tables[0][(crc ^ byte(i)) & 0xff];
  return ~crc;
}

}  // namespace

PickleWriter& PickleWriter::op(std::string_view opcodes) {
  bytes_ += opcodes;
  return *this;
}

PickleWriter& PickleWriter::string(std::string_view text) {
  bytes_ += 'X';
  bytes_ += raw(static_cast<uint32_t>(text.size()));
  bytes_ += text;
  return *this;
}

PickleWriter& PickleWriter::integer(int64_t value) {
  if (value >= std::numeric_limits<int32_t>::min() &&
      value <= std::numeric_limits<int32_t>::max()) {
    bytes_ += 'J';
    bytes_ += raw(static_cast<int32_t>(value));
  } else {
    bytes_ += "\x8a\x08";
    bytes_ += raw(value);
  }
  return *this;
}

PickleWriter& PickleWriter::global(std::string_view module, std::string_view name) {
  return op("c").op(module).op("\n").op(name).op("\n");
}

PickleWriter& PickleWriter::sizes(const std::vector<int64_t>& values) {
  op("(");
  for (const int64_t value : values) integer(value);
  return op("t");
}

PickleWriter& PickleWriter::storage(std::string_view type, std::string_view key, int64_t elements) {
  return op("(")
      .string("storage")
      .global("torch", type)
      .string(key)
      .string("cpu")
      .integer(elements)
      .op("tQ");
}

PickleWriter& PickleWriter::tensor(std::string_view type, std::string_view key, int64_t elements,
                                   int64_t offset, const std::vector<int64_t>& shape,
                                   const std::vector<int64_t>& strides) {
  global("torch._utils", "_rebuild_tensor_v2").op("(").storage(type, key, elements);
  return integer(offset)
      .sizes(shape)
      .sizes(strides)
      .op("\x89")
      .global("collections", "OrderedDict")
      .op(")RtR");
}

ZipWriter::ZipWriter(std::ostream& stream, bool force_zip64, size_t misaligned)
    : stream_(stream), force_zip64_(force_zip64), misaligned_(misaligned) {}

void ZipWriter::write(const std::string& bytes) {
  stream_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  position_ += bytes.size();
}

void ZipWriter::add(const std::string& name, std::string_view bytes) {
  const Entry entry{name, crc32(bytes), bytes.size(), position_};
  const bool zip64 = force_zip64_ || entry.size >= kElsewhere;
  std::string extra;
  if (zip64) extra = raw<uint16_t>(1) + raw<uint16_t>(16) + raw(entry.size) + raw(entry.size);
  const size_t unaligned = position_ + 30 + name.size() + extra.size() + 4;
  const size_t padding = (kAlignment - unaligned % kAlignment) % kAlignment + misaligned_;
  extra += "FB" + raw(static_cast<uint16_t>(padding)) + std::string(padding, 'Z');
  const auto size32 = zip64 ? kElsewhere : static_cast<uint32_t>(entry.size);
  write(raw<uint32_t>(0x04034b50) + raw<uint16_t>(zip64 ? 45 : 20) + raw<uint16_t>(0) +
        raw<uint16_t>(0) + raw<uint32_t>(0) + raw(entry.checksum) + raw(size32) + raw(size32) +
        raw(static_cast<uint16_t>(name.size())) + raw(static_cast<uint16_t>(extra.size())) + name +
        extra);
  stream_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  position_ += bytes.size();
  entries_.push_back(entry);
}

void ZipWriter::finish() {
  const uint64_t begin = position_;
  for (const Entry& entry : entries_) {
    const bool zip64 = force_zip64_ || std::max(entry.size, entry.offset) >= kElsewhere;
    const std::string extra = zip64 ? raw<uint16_t>(1) + raw<uint16_t>(24) + raw(entry.size) +
                                          raw(entry.size) + raw(entry.offset)
                                    : "";
    const auto size32 = zip64 ? kElsewhere : static_cast<uint32_t>(entry.size);
    const auto offset32 = zip64 ? kElsewhere : static_cast<uint32_t>(entry.offset);
    const uint16_t version = zip64 ? 45 : 20;
    write(raw<uint32_t>(0x02014b50) + raw(version) + raw(version) + raw<uint16_t>(0) +
          raw<uint16_t>(0) + raw<uint32_t>(0) + raw(entry.checksum) + raw(size32) + raw(size32) +
          raw(static_cast<uint16_t>(entry.name.size())) + raw(static_cast<uint16_t>(extra.size())) +
          raw<uint16_t>(0) + raw<uint16_t>(0) + raw<uint16_t>(0) + raw<uint32_t>(0) +
          raw(offset32) + entry.name + extra);
  }
  const uint64_t size = position_ - begin;
  const uint64_t end64 = position_;
  const uint64_t count = entries_.size();
  const bool zip64 = force_zip64_ || end64 >= kElsewhere || count >= 0xffff;
  if (zip64) {
    write(raw<uint32_t>(0x06064b50) + raw<uint64_t>(44) + raw<uint16_t>(45) + raw<uint16_t>(45) +
          raw<uint32_t>(0) + raw<uint32_t>(0) + raw(count) + raw(count) + raw(size) + raw(begin));
    write(raw<uint32_t>(0x07064b50) + raw<uint32_t>(0) + raw(end64) + raw<uint32_t>(1));
  }
  const auto count16 = zip64 ? uint16_t{0xffff} : static_cast<uint16_t>(count);
  write(raw<uint32_t>(0x06054b50) + raw<uint32_t>(0) + raw(count16) + raw(count16) +
        raw(zip64 ? kElsewhere : static_cast<uint32_t>(size)) +
        raw(zip64 ? kElsewhere : static_cast<uint32_t>(begin)) + raw<uint16_t>(0));
}

}  // namespace latentsync::test
