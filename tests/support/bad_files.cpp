#include "tests/support/bad_files.h"

#include "tests/support/bad_files_parts.h"
#include "tests/support/pt_writer_parts.h"

#include <cstdint>
#include <ostream>
#include <sstream>

namespace latentsync::test {
namespace {

std::string tensor_json(const std::string& name, const std::string& type, const std::string& shape,
                        const std::string& offsets) {
  return std::string("\"") + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

BadFile safetensors(std::string name, const std::string& entries, size_t data_size,
                    std::string mentions, ErrorCode code = kDamaged) {
  return {std::move(name), header_and_data("{" + entries + "}", std::string(data_size, '\1')), code,
          std::move(mentions)};
}

BadFile header(std::string name, const std::string& text, std::string mentions = "header") {
  return {std::move(name), header_and_data(text, std::string(8, '\1')), kDamaged,
          std::move(mentions)};
}

}  // namespace

std::string times(std::string_view text, size_t count) {
  std::string result;
  for (size_t i = 0; i < count; ++i) result += text;
  return result;
}

std::string header_and_data(const std::string& header, const std::string& data) {
  const uint64_t size = header.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + header + data;
}

std::string zip_of(const std::vector<std::pair<std::string, std::string>>& entries,
                   size_t misaligned) {
  std::ostringstream stream;
  ZipWriter zip(stream, false, misaligned);
  for (const auto& [name, bytes] : entries) zip.add(name, bytes);
  zip.finish();
  return stream.str();
}

std::string good_pickle() {
  return PickleWriter()
      .op("\x80\x02}(")
      .string("state_dict")
      .global("collections", "OrderedDict")
      .op(")R(")
      .string("w")
      .tensor("FloatStorage", "0", 6, 0, {2, 3}, {3, 1})
      .op("uu.")
      .bytes();
}

void PrintTo(const BadFile& file, std::ostream* stream) { *stream << file.name; }

std::string good_safetensors() {
  return header_and_data(std::string("{") + tensor_json("a", "F32", "[2,3]", "[0,24]") + "," +
                             tensor_json("b", "I64", "[1]", "[24,32]") + "}",
                         std::string(32, '\1'));
}

std::string torch_zip_of(const std::string& pickle) {
  return zip_of({{"archive/data.pkl", pickle},
                 {"archive/byteorder", "little"},
                 {"archive/data/0", std::string(24, '\1')},
                 {"archive/version", "3\n"}});
}

std::string good_torch_zip(bool zip64) {
  std::ostringstream stream;
  ZipWriter zip(stream, zip64);
  zip.add("archive/data.pkl", good_pickle());
  zip.add("archive/byteorder", "little");
  zip.add("archive/data/0", std::string(24, '\1'));
  zip.finish();
  return stream.str();
}

std::vector<BadFile> bad_safetensors() {
  const std::string a = tensor_json("a", "F32", "[2]", "[0,8]");
  const auto second = [&](const std::string& offsets) {
    return a + "," + tensor_json("b", "F32", "[2]", offsets);
  };
  const std::string huge(8, '\xff');
  std::vector<BadFile> files = {
      {"SevenBytes", std::string(7, '\0'), kDamaged, "short"},
      {"HeaderLengthOfAllOnes", huge + "{}", kDamaged, "header"},
      {"HeaderLengthOverTheCap", with<uint64_t>(header_and_data("{}", ""), 0, 100'000'001),
       kDamaged, "header"},
      {"HeaderLengthBeyondTheFile", with<uint64_t>(header_and_data("{}", ""), 0, 3), kDamaged,
       "cut short"},
      {"HeaderLengthZero", std::string(16, '\0'), kDamaged, "header"},
      header("HeaderIsAnArray", "[1,2]"),
      header("HeaderIsCut", std::string("{") + a),
      header("HeaderIsNoJson", "{\"a\":nonsense}"),
      header("HeaderIsNoUtf8", "{\"\xff\xfe\":1}"),
      header("HeaderHasTwoValues", "{}{}"),
      header("DepthBombOfArrays", "{\"a\":" + times("[", 1'000'000), "\"a\""),
      header("DepthBombOfObjects", std::string("{") + times("\"a\":{", 1'000'000), "\"a\""),
      header("DepthBombInShape", "{\"a\":{\"shape\":" + times("[", 1'000'000), "\"a\""),
      header("TensorIsANumber", "{\"a\":1}", "\"a\""),
      header("TensorIsNull", "{\"a\":null}", "\"a\""),
      header("MetadataHoldsANumber", "{\"__metadata__\":{\"k\":1}}", "\"k\""),
      header("MetadataHoldsAnObject", "{\"__metadata__\":{\"k\":{}}}", "\"k\""),
      header("MetadataKeyTwice", "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", "\"k\""),
      header("UnknownKeyInTensor", "{\"a\":{\"code\":\"x\"}}", "\"code\""),
      header("DtypeIsANumber", "{\"a\":{\"dtype\":1}}", "\"a\""),
      header("DtypeIsAnArray", "{\"a\":{\"dtype\":[]}}", "\"a\""),
      header("ShapeIsAString", "{\"a\":{\"shape\":\"2\"}}", "\"a\""),
      header("ShapeHoldsAFraction", "{\"a\":{\"shape\":[1.5]}}", "\"a\""),
      header("ShapeIsNegative", "{\"a\":{\"shape\":[-1]}}", "\"a\""),
      header("ShapeOver64Bits", "{\"a\":{\"shape\":[18446744073709551616]}}", "\"a\""),
      header("ShapeHasTooManyDimensions", "{\"a\":{\"shape\":[1,1,1,1,1,1,1,1,1]}}", "\"a\""),
      header("DtypeTwice", "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", "\"a\""),
      header("NoOffsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", "\"a\""),
      header("NoDtype", "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", "\"a\""),
      safetensors("OneOffset", tensor_json("a", "F32", "[2]", "[0]"), 8, "\"a\""),
      safetensors("ThreeOffsets", tensor_json("a", "F32", "[2]", "[0,8,8]"), 8, "\"a\""),
      safetensors("TensorTwice", a + "," + a, 8, "\"a\""),
      safetensors("UnknownDtype", tensor_json("a", "F8_E4M3", "[8]", "[0,8]"), 8, "\"a\"",
                  kUnsupported),
      safetensors("ForeignDtype", tensor_json("a", "x", "[8]", "[0,8]"), 8, "\"a\"", kUnsupported),
      safetensors("BytesBelowTheShape", tensor_json("a", "F32", "[3]", "[0,8]"), 8, "[3]"),
      safetensors("BytesAboveTheShape", tensor_json("a", "F32", "[1]", "[0,8]"), 8, "[1]"),
      safetensors("ProductOfShapeOverflows",
                  tensor_json("a", "F32", "[4294967296,4294967296,4]", "[0,0]"), 0, "\"a\""),
      safetensors("BytesOfShapeOverflow", tensor_json("a", "F32", "[4611686018427387904]", "[0,0]"),
                  0, "\"a\""),
      safetensors("EmptyTensorWithAnOverflowingShape",
                  tensor_json("a", "F32", "[0,4294967296,4294967296]", "[0,0]"), 0, "\"a\""),
      safetensors("DimensionOverInt64", tensor_json("a", "U8", "[9223372036854775809]", "[0,0]"), 0,
                  "\"a\""),
      safetensors("OffsetsSwapped", tensor_json("a", "F32", "[2]", "[8,0]"), 8, "\"a\""),
      safetensors("EndBeyondTheData", tensor_json("a", "F32", "[4]", "[0,16]"), 8, "\"a\""),
      safetensors("OffsetsNear64Bits",
                  tensor_json("a", "F32", "[2]", "[18446744073709551607,18446744073709551615]"), 8,
                  "\"a\""),
      safetensors("TensorsOverlap", second("[4,12]"), 12, "\"b\""),
      safetensors("TensorsAreTheSameBytes", second("[0,8]"), 8, "\"b\""),
      safetensors("HoleBetweenTensors", second("[12,20]"), 20, "\"b\""),
      safetensors("HoleBeforeTheFirst", tensor_json("a", "F32", "[1]", "[4,8]"), 8, "\"a\""),
      safetensors("BytesAfterTheLast", a, 9, "last tensor"),
      safetensors("DataWithoutTensors", "", 8, "last tensor"),
      safetensors("DataCutShort", a, 7, "\"a\""),
  };
  return files;
}

std::vector<BadFile> impostors() {
  std::string tar(600, '\0');
  tar.replace(257, 5, "ustar");
  return {
      {"Empty", "", kDamaged, "empty"},
      {"LfsPointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", kDamaged,
       "git lfs pull"},
      {"WebPage", "<!DOCTYPE html><html><body>404</body></html>", kDamaged, "web page"},
      {"LegacyTorchFile", "\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.",
       kUnsupported, "torch.save"},
      {"BarePickle", "\x80\x02}q", kUnsupported, "torch.save"},
      {"TarOfOldTorch", tar, kUnsupported, "torch.save"},
      {"Zeros", std::string(4096, '\0'), kDamaged, "header"},
      {"Text", "this is not a model at all, but a text", kDamaged, "header"},
  };
}

}  // namespace latentsync::test
