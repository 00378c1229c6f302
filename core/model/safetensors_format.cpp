#include "core/model/safetensors_format.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

namespace latentsync::model {
namespace {

static_assert(std::endian::native == std::endian::little, "model files are little-endian");

/// A tensor as the header tells it, nothing checked yet.
struct HeaderEntry {
  std::string name;
  std::optional<std::string> type;
  std::optional<std::vector<uint64_t>> shape;
  std::optional<std::vector<uint64_t>> offsets;
};

/// Takes the header's JSON event by event. The three levels that the format has are the only ones
/// it goes into, so nesting costs nothing.
class HeaderHandler : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderHandler(const std::string& path) : path_(path) {}

  std::vector<HeaderEntry> entries;
  std::map<std::string, std::string> metadata;

  bool null() override { refuse_value("null"); }
  bool boolean(bool) override { refuse_value("a boolean"); }
  bool number_integer(number_integer_t) override { refuse_value("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    refuse_value("a fraction or a number over 64 bits");
  }
  bool binary(binary_t&) override { refuse_value("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (level_ != Level::kShape && level_ != Level::kOffsets) refuse_value("a number");
    auto& list = level_ == Level::kShape ? entries.back().shape : entries.back().offsets;
    if (list->size() >= kMaxDimensions) {
      refuse_damaged(path_, "tensor " + name_text(entries.back().name) + " has over " +
                                std::to_string(kMaxDimensions) + " values in its " + key_);
    }
    list->push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (level_ == Level::kMetadata) {
      metadata[key_] = value;
    } else if (level_ == Level::kTensor && key_ == "dtype") {
      entries.back().type = value;
    } else {
      refuse_value("a string");
    }
    return true;
  }

  bool start_object(size_t) override {
    if (level_ == Level::kOutside) {
      level_ = Level::kTop;
    } else if (level_ == Level::kTop) {
      level_ = key_ == "__metadata__" ? Level::kMetadata : Level::kTensor;
      if (level_ == Level::kTensor) entries.push_back({.name = key_});
    } else {
      refuse_value("an object");
    }
    return true;
  }

  bool key(string_t& value) override {
    key_ = value;
    bool is_new = true;
    if (level_ == Level::kTop) {
      is_new = names_.insert(value).second;
    } else if (level_ == Level::kMetadata) {
      is_new = !metadata.contains(value);
    } else {
      const HeaderEntry& entry = entries.back();
      if (value != "dtype" && value != "shape" && value != "data_offsets") {
        refuse_damaged(
            path_, "tensor " + name_text(entry.name) + " has the unknown key " + name_text(value));
      }
      is_new = value == "dtype"   ? !entry.type.has_value()
               : value == "shape" ? !entry.shape.has_value()
                                  : !entry.offsets.has_value();
    }
    if (!is_new) refuse_damaged(path_, where() + " is in the header twice");
    return true;
  }

  bool end_object() override {
    level_ = level_ == Level::kTop ? Level::kOutside : Level::kTop;
    return true;
  }

  bool start_array(size_t) override {
    if (level_ != Level::kTensor || key_ == "dtype") refuse_value("an array");
    level_ = key_ == "shape" ? Level::kShape : Level::kOffsets;
    (level_ == Level::kShape ? entries.back().shape : entries.back().offsets).emplace();
    return true;
  }

  bool end_array() override {
    level_ = Level::kTensor;
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    refuse_damaged(path_, "its header is not valid JSON",
                   "at header byte " + std::to_string(position) + ": " + name_text(error.what()));
  }

 private:
  enum class Level { kOutside, kTop, kMetadata, kTensor, kShape, kOffsets };

  std::string where() const {
    switch (level_) {
      case Level::kOutside:
        return "the header";
      case Level::kTop:
        return "tensor " + name_text(key_);
      case Level::kMetadata:
        return "metadata key " + name_text(key_);
      default:
        return "key " + name_text(key_) + " of tensor " + name_text(entries.back().name);
    }
  }

  [[noreturn]] void refuse_value(const char* kind) const {
    refuse_damaged(path_, where() + " holds " + kind + ", which the format does not allow there");
  }

  const std::string& path_;
  Level level_ = Level::kOutside;
  std::string key_;
  std::set<std::string> names_;
};

ElementType element_type(const std::string& name, const std::string& tensor,
                         const std::string& path) {
  static const std::map<std::string, ElementType> known = {
      {"BOOL", ElementType::kBool},   {"U8", ElementType::kUint8},
      {"I8", ElementType::kInt8},     {"I16", ElementType::kInt16},
      {"I32", ElementType::kInt32},   {"I64", ElementType::kInt64},
      {"F16", ElementType::kFloat16}, {"BF16", ElementType::kBfloat16},
      {"F32", ElementType::kFloat32}, {"F64", ElementType::kFloat64},
  };
  const auto found = known.find(name);
  if (found == known.end()) {
    refuse_unsupported(path, "tensor " + name_text(tensor) + " has the element type " +
                                 name_text(name) + "; convert it to F32, F16 or BF16");
  }
  return found->second;
}

TensorDescription describe(const HeaderEntry& entry, uint64_t data_begin, uint64_t data_size,
                           const std::string& path) {
  const std::string tensor = "tensor " + name_text(entry.name);
  if (!entry.type || !entry.shape || !entry.offsets || entry.offsets->size() != 2) {
    refuse_damaged(path, tensor + " lacks a complete dtype, shape or data_offsets");
  }
  TensorDescription result{.name = entry.name, .type = element_type(*entry.type, entry.name, path)};
  // A dimension over int64 becomes negative here and is refused with the overflowing products.
  for (const uint64_t size : *entry.shape) result.shape.push_back(static_cast<int64_t>(size));
  const auto strides = contiguous_strides(result.shape);
  const auto elements = strides ? extent(result.shape, *strides) : std::nullopt;
  uint64_t needed = 0;
  if (!elements || __builtin_mul_overflow(*elements, element_size(result.type), &needed)) {
    refuse_damaged(path, tensor + " has the impossible shape " + shape_text(result.shape));
  }
  const uint64_t begin = (*entry.offsets)[0];
  const uint64_t end = (*entry.offsets)[1];
  const std::string numbers = "data_offsets [" + std::to_string(begin) + ", " +
                              std::to_string(end) + "], data " + std::to_string(data_size) +
                              " bytes";
  if (begin > end || end > data_size) {
    refuse_damaged(path, tensor + " lies outside the file's data (is the file cut short?)",
                   numbers);
  }
  if (end - begin != needed) {
    refuse_damaged(path,
                   tensor + " has " + std::to_string(end - begin) + " bytes, but " + *entry.type +
                       " " + shape_text(result.shape) + " takes " + std::to_string(needed),
                   numbers);
  }
  result.strides = *strides;
  result.begin = data_begin + begin;
  result.bytes = needed;
  return result;
}

/// The tensors, in the order of their data, must touch each other and fill the data.
void check_coverage(std::vector<TensorDescription>& tensors, uint64_t data_begin,
                    uint64_t file_size, const std::string& path) {
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return std::pair(a.begin, a.bytes) < std::pair(b.begin, b.bytes);
  });
  uint64_t reached = data_begin;
  for (const TensorDescription& tensor : tensors) {
    if (tensor.begin != reached) {
      refuse_damaged(
          path,
          "tensor " + name_text(tensor.name) +
              (tensor.begin < reached ? " overlaps the one before it" : " leaves a gap before it"),
          "begins at data byte " + std::to_string(tensor.begin - data_begin) + ", expected " +
              std::to_string(reached - data_begin));
    }
    reached += tensor.bytes;
  }
  if (reached != file_size) {
    refuse_damaged(path, "bytes follow the last tensor",
                   std::to_string(file_size - reached) + " bytes");
  }
}

}  // namespace

TensorListing list_safetensors(std::span<const uint8_t> file, const std::string& path) {
  uint64_t header = 0;
  if (file.size() < sizeof header) {
    refuse_damaged(path, "it is too short for a safetensors file",
                   std::to_string(file.size()) + " bytes");
  }
  std::memcpy(&header, file.data(), sizeof header);
  const std::string numbers =
      "header " + std::to_string(header) + " bytes, file " + std::to_string(file.size()) + " bytes";
  if (header > kMaxSafetensorsHeader) {
    refuse_damaged(path, "its header exceeds the format's limit", numbers);
  }
  if (header > file.size() - sizeof header) {
    refuse_damaged(path, "its header does not fit in the file (is the file cut short?)", numbers);
  }
  const auto text = file.subspan(sizeof header, header);
  if (text.empty() || text[0] != '{') {
    refuse_damaged(path, "its header does not begin with '{'", numbers);
  }
  HeaderHandler handler(path);
  nlohmann::json::sax_parse(text.begin(), text.end(), &handler);

  TensorListing listing;
  listing.metadata = std::move(handler.metadata);
  const uint64_t data_begin = sizeof header + header;
  for (const HeaderEntry& entry : handler.entries) {
    listing.tensors.push_back(describe(entry, data_begin, file.size() - data_begin, path));
  }
  check_coverage(listing.tensors, data_begin, file.size(), path);
  return listing;
}

}  // namespace latentsync::model
