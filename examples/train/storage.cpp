#include "examples/train/storage.h"

#include "core/error.h"

#include <array>
#include <cstdint>
#include <fstream>
#include <functional>
#include <vector>

#include <c10/core/ScalarType.h>
#include <nlohmann/json.hpp>

namespace latentsync::train {
namespace {

namespace fs = std::filesystem;

void write_whole(const fs::path& path, const std::function<void(std::ostream&)>& write) {
  fs::path part = path;
  part += ".part";
  std::error_code failed;
  fs::create_directories(path.parent_path(), failed);
  std::ofstream stream(part, std::ios::binary);
  if (stream) write(stream);
  stream.close();
  if (stream) fs::rename(part, path, failed);
  if (!stream || failed) {
    throw Error(ErrorCode::kUnreadable,
                "\"" + path.string() + "\" cannot be written; is there room, and the right to?");
  }
}

const char* type_name(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "F32";
    case at::kHalf:
      return "F16";
    case at::kBFloat16:
      return "BF16";
    case at::kLong:
      return "I64";
    case at::kByte:
      return "U8";
    default:
      throw Error(ErrorCode::kInvalidArgument, "no tensor of this type is written");
  }
}

// Checksums of PNG's chunks and of the zlib stream in them.
uint32_t crc_of(const std::string& bytes) {
  static const auto table = [] {
    std::array<uint32_t, 256> entries{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit)
        value = (value & 1) != 0 ? 0xEDB88320U ^ (value >> 1) : value >> 1;
      entries[i] = value;
    }
    return entries;
  }();
  uint32_t crc = 0xFFFFFFFFU;
  for (const char byte : bytes) crc = table[(crc ^ static_cast<uint8_t>(byte)) & 255] ^ (crc >> 8);
  return crc ^ 0xFFFFFFFFU;
}

uint32_t adler_of(const std::string& bytes) {
  uint32_t a = 1, b = 0;
  for (const char byte : bytes) {
    a = (a + static_cast<uint8_t>(byte)) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string chunk(const std::string& type, const std::string& data) {
  return big_endian(static_cast<uint32_t>(data.size())) + type + data +
         big_endian(crc_of(type + data));
}

// A zlib stream of stored blocks.
std::string stored(const std::string& data) {
  constexpr size_t kMostStored = 65535;
  std::string out("\x78\x01", 2);
  for (size_t begin = 0; begin < data.size(); begin += kMostStored) {
    const auto length = std::min(kMostStored, data.size() - begin);
    const bool last = begin + length == data.size();
    out += {static_cast<char>(last), static_cast<char>(length), static_cast<char>(length >> 8),
            static_cast<char>(~length), static_cast<char>(~length >> 8)};
    out.append(data, begin, length);
  }
  return out + big_endian(adler_of(data));
}

}  // namespace

void write_safetensors(const fs::path& path, const model::TensorMap& tensors,
                       const std::map<std::string, std::string>& metadata) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const uint64_t end = offset + tensor.nbytes();
    header[name] = {{"dtype", type_name(tensor.scalar_type())},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // so that the data is aligned
  write_whole(path, [&](std::ostream& stream) {
    const uint64_t size = text.size();
    stream.write(reinterpret_cast<const char*>(&size), sizeof size);
    stream << text;
    for (const auto& [name, tensor] : tensors) {
      const auto here = tensor.detach().to(at::kCPU).contiguous();
      stream.write(static_cast<const char*>(here.const_data_ptr()),
                   static_cast<std::streamsize>(here.nbytes()));
    }
  });
}

void write_text(const fs::path& path, const std::string& text) {
  write_whole(path, [&](std::ostream& stream) { stream << text; });
}

void write_png(const fs::path& path, const at::Tensor& picture) {
  const auto pixels = picture.to(at::kCPU).contiguous();
  const auto height = pixels.size(0), row = pixels.size(1) * 3;
  std::string lines;
  lines.reserve(static_cast<size_t>(height * (row + 1)));
  const auto* data = static_cast<const char*>(pixels.const_data_ptr());
  for (int64_t y = 0; y < height; ++y) {
    lines += '\0';  // no filter
    lines.append(data + y * row, static_cast<size_t>(row));
  }
  const auto header = big_endian(static_cast<uint32_t>(pixels.size(1))) +
                      big_endian(static_cast<uint32_t>(height)) + std::string("\x08\x02\0\0\0", 5);
  write_whole(path, [&](std::ostream& stream) {
    stream << "\x89PNG\r\n\x1a\n"
           << chunk("IHDR", header) << chunk("IDAT", stored(lines)) << chunk("IEND", "");
  });
}

}  // namespace latentsync::train
