#include "tests/support/bad_files.h"

#include "tests/support/pt_writer.h"
#include "tests/support/safetensors_writer.h"

#include <cstdint>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace latentsync::test {
namespace {

constexpr ErrorCode kDamaged = ErrorCode::kDamagedFile;
constexpr ErrorCode kUnsupported = ErrorCode::kUnsupported;

std::string tensor_json(const std::string& name, const std::string& type, const std::string& shape,
                        const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

BadFile safetensors(std::string name, const std::string& entries, size_t data_size,
                    std::string mentions, ErrorCode code = kDamaged) {
  return {std::move(name), safetensors_bytes("{" + entries + "}", std::string(data_size, '\1')),
          code, std::move(mentions)};
}

BadFile header(std::string name, const std::string& text, std::string mentions = "header") {
  return {std::move(name), safetensors_bytes(text, std::string(8, '\1')), kDamaged,
          std::move(mentions)};
}

template <typename T>
std::string with(std::string bytes, size_t offset, T value) {
  if (offset + sizeof value > bytes.size()) throw std::logic_error("patch outside the file");
  std::memcpy(bytes.data() + offset, &value, sizeof value);
  return bytes;
}

template <typename T>
T read_at(const std::string& bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

/// Where the central directory's header of entry NUMBER is.
size_t central_header(const std::string& zip, int number) {
  size_t position = read_at<uint32_t>(zip, zip.size() - 22 + 16);
  for (; number > 0; --number) {
    position += 46u + read_at<uint16_t>(zip, position + 28) +
                read_at<uint16_t>(zip, position + 30) + read_at<uint16_t>(zip, position + 32);
  }
  return position;
}

template <typename T>
std::string with_central(const std::string& zip, int number, size_t field, T value) {
  return with(zip, central_header(zip, number) + field, value);
}

size_t local_header(const std::string& zip, int number) {
  return read_at<uint32_t>(zip, central_header(zip, number) + 42);
}

template <typename T>
std::string with_local(const std::string& zip, int number, size_t field, T value) {
  return with(zip, local_header(zip, number) + field, value);
}

std::string zip_of(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::ostringstream stream;
  ZipWriter zip(stream);
  for (const auto& [name, bytes] : entries) zip.add(name, bytes);
  zip.finish();
  return stream.str();
}

std::string good_pickle() { return torch_pickle({{"w", {2, 3}}}, {.state_key = "state_dict"}); }

PickleWriter start() { return PickleWriter().op("\x80\x02}("); }

/// {"w": what FILL writes}
template <typename Fill>
BadFile pickle(std::string name, Fill&& fill, std::string mentions, ErrorCode code = kDamaged) {
  PickleWriter writer = start();
  writer.string("w");
  fill(writer);
  writer.op("u.");
  return {std::move(name), torch_zip_of(writer.bytes()), code, std::move(mentions)};
}

BadFile pickled_tensor(std::string name, std::string_view type, std::string_view key,
                       int64_t elements, int64_t offset, const std::vector<int64_t>& shape,
                       const std::vector<int64_t>& strides, ErrorCode code = kDamaged,
                       std::string mentions = "\"w\"") {
  return pickle(
      std::move(name),
      [&](PickleWriter& writer) { writer.tensor(type, key, elements, offset, shape, strides); },
      std::move(mentions), code);
}

/// A call of a global that nobody should call.
BadFile foreign_call(std::string name, std::string_view module, std::string_view function) {
  return pickle(
      std::move(name),
      [&](PickleWriter& writer) { writer.global(module, function).string("id").op("\x85R"); },
      std::string(module) + "." + std::string(function), kUnsupported);
}

BadFile opcode(std::string name, std::string_view bytes, std::string mentions) {
  return pickle(
      std::move(name), [&](PickleWriter& writer) { writer.op(bytes); }, std::move(mentions),
      kUnsupported);
}

std::string times(std::string_view text, size_t count) {
  std::string result;
  for (size_t i = 0; i < count; ++i) result += text;
  return result;
}

}  // namespace

void PrintTo(const BadFile& file, std::ostream* stream) { *stream << file.name; }

std::string good_safetensors() {
  return safetensors_bytes("{" + tensor_json("a", "F32", "[2,3]", "[0,24]") + "," +
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
      {"HeaderLengthOverTheCap", with<uint64_t>(safetensors_bytes("{}", ""), 0, 100'000'001),
       kDamaged, "header"},
      {"HeaderLengthBeyondTheFile", with<uint64_t>(safetensors_bytes("{}", ""), 0, 3), kDamaged,
       "cut short"},
      {"HeaderLengthZero", std::string(16, '\0'), kDamaged, "header"},
      header("HeaderIsAnArray", "[1,2]"),
      header("HeaderIsCut", "{" + a),
      header("HeaderIsNoJson", "{\"a\":nonsense}"),
      header("HeaderIsNoUtf8", "{\"\xff\xfe\":1}"),
      header("HeaderHasTwoValues", "{}{}"),
      header("DepthBombOfArrays", "{\"a\":" + times("[", 1'000'000), "\"a\""),
      header("DepthBombOfObjects", "{" + times("\"a\":{", 1'000'000), "\"a\""),
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

std::vector<BadFile> bad_zips() {
  const std::string zip = good_torch_zip();
  const std::string zip64 = good_torch_zip(true);
  const size_t end = zip.size() - 22;
  const size_t end64 = zip64.size() - 22 - 20 - 56;
  const std::string pickle = good_pickle();
  const auto large = uint64_t{1} << 62;
  std::vector<BadFile> files = {
      {"CutInTheEndRecord", zip.substr(0, zip.size() - 1), kDamaged, "cut short"},
      {"CutBeforeTheEndRecord", zip.substr(0, end), kDamaged, "cut short"},
      {"CutInTheDirectory", zip.substr(0, central_header(zip, 1)), kDamaged, "cut short"},
      {"CutBeforeTheDirectory", zip.substr(0, central_header(zip, 0)), kDamaged, "cut short"},
      {"CutInTheData", zip.substr(0, local_header(zip, 2) + 60), kDamaged, "cut short"},
      {"CutAfterTheSignature", zip.substr(0, 4), kDamaged, "cut short"},
      {"BytesAfterTheEnd", zip + "x", kDamaged, "cut short"},
      {"BytesBeforeTheStart", "PK" + zip, kDamaged, "directory"},
      {"ClaimsAComment", with<uint16_t>(zip, end + 20, 1), kDamaged, "comment"},
      {"ClaimsSeveralVolumes", with<uint16_t>(zip, end + 4, 1), kDamaged, "volumes"},
      {"ClaimsMoreEntries", with<uint32_t>(zip, end + 8, 0x00040004), kDamaged, "directory"},
      {"ClaimsFewerEntries", with<uint32_t>(zip, end + 8, 0x00020002), kDamaged, "directory"},
      {"ClaimsHugeCounts", with<uint32_t>(zip, end + 8, 0xfffefffe), kDamaged, "entries"},
      {"DirectorySizeLies", with<uint32_t>(zip, end + 12, 0x7fffffff), kDamaged, "directory"},
      {"DirectoryOffsetLies", with<uint32_t>(zip, end + 16, 1), kDamaged, "directory"},
      {"DirectoryOffsetIsHuge", with<uint32_t>(zip, end + 16, 0xfffffffe), kDamaged, "directory"},
      {"CentralSignature", with_central<uint32_t>(zip, 1, 0, 0), kDamaged, "directory"},
      {"CentralNameLengthLies", with_central<uint16_t>(zip, 2, 28, 0xffff), kDamaged, "directory"},
      {"CentralExtraLengthLies", with_central<uint16_t>(zip, 2, 30, 0xffff), kDamaged, "directory"},
      {"Compressed", with_central<uint16_t>(zip, 2, 10, 8), kUnsupported, "compressed"},
      {"UnknownCompression", with_central<uint16_t>(zip, 2, 10, 99), kUnsupported, "compressed"},
      {"Encrypted", with_central<uint16_t>(zip, 2, 8, 1), kUnsupported, "encrypted"},
      {"BombOfSizes", with_central<uint32_t>(zip, 2, 24, 0x7fffffff), kDamaged, "two sizes"},
      {"EntryLargerThanTheFile", with_central<uint64_t>(zip, 2, 20, 0x7fffffff7fffffff), kDamaged,
       "data/0"},
      {"EntryWithoutItsZip64Sizes", with_central<uint64_t>(zip, 2, 20, ~uint64_t{0}), kDamaged,
       "ZIP64"},
      {"LocalOffsetLies", with_central<uint32_t>(zip, 2, 42, 7), kDamaged, "local header"},
      {"LocalOffsetInTheDirectory",
       with_central<uint32_t>(zip, 2, 42, static_cast<uint32_t>(central_header(zip, 0))), kDamaged,
       "local header"},
      {"LocalOffsetIsHuge", with_central<uint32_t>(zip, 2, 42, 0xfffffffe), kDamaged,
       "local header"},
      {"LocalSignature", with_local<uint32_t>(zip, 2, 0, 0), kDamaged, "local header"},
      {"LocalNameDiffers", with_local<char>(zip, 2, 30, 'A'), kDamaged, "differently"},
      {"LocalMethodDiffers", with_local<uint16_t>(zip, 2, 8, 8), kDamaged, "differently"},
      {"LocalFlagsDiffer", with_local<uint16_t>(zip, 2, 6, 8), kDamaged, "differently"},
      {"LocalSizeDiffers", with_local<uint32_t>(zip, 2, 22, 23), kDamaged, "another size"},
      {"LocalNameLengthLies", with_local<uint16_t>(zip, 2, 26, 0xffff), kDamaged, "zip structure"},
      {"LocalExtraLengthLies", with_local<uint16_t>(zip, 2, 28, 0xffff), kDamaged, "data/0"},
      {"TwoEntriesShareOneHeader",
       with_central<uint32_t>(zip, 2, 42, static_cast<uint32_t>(local_header(zip, 1))), kDamaged,
       "differently"},
      {"EntryTwice", zip_of({{"a/data.pkl", pickle}, {"a/data/0", "x"}, {"a/data/0", "x"}}),
       kDamaged, "twice"},
      {"Zip64RecordMoved", with<uint64_t>(zip64, zip64.size() - 22 - 12, 5), kDamaged, "ZIP64"},
      {"Zip64RecordFarAway", with<uint64_t>(zip64, zip64.size() - 22 - 12, large), kDamaged,
       "ZIP64"},
      {"Zip64CountLies", with<uint64_t>(zip64, end64 + 32, large), kDamaged, "ZIP64"},
      {"Zip64BothCountsLie",
       with<uint64_t>(with<uint64_t>(zip64, end64 + 32, large), end64 + 24, large), kDamaged,
       "entries"},
      {"Zip64DirectorySizeLies", with<uint64_t>(zip64, end64 + 40, large), kDamaged, "directory"},
      {"Zip64DirectoryOffsetLies", with<uint64_t>(zip64, end64 + 48, large), kDamaged, "directory"},
      {"Zip64ContradictsThePlainRecord",
       with<uint16_t>(with<uint16_t>(zip64, zip64.size() - 14, 1), zip64.size() - 12, 1), kDamaged,
       "contradicts"},
      {"NoPickle", zip_of({{"a/data/0", "x"}}), kUnsupported, "data.pkl"},
      {"NoEntries", zip_of({}), kUnsupported, "data.pkl"},
      {"PickleWithoutAFolder", zip_of({{"data.pkl", pickle}}), kUnsupported, "data.pkl"},
      {"TwoPickles", zip_of({{"a/data.pkl", pickle}, {"b/data.pkl", pickle}}), kDamaged,
       "two pickles"},
      {"TorchScript", zip_of({{"a/data.pkl", pickle}, {"a/constants.pkl", pickle}}), kUnsupported,
       "TorchScript"},
      {"BigEndian", zip_of({{"a/data.pkl", pickle}, {"a/byteorder", "big"}}), kUnsupported,
       "big-endian"},
      {"UnknownByteOrder", zip_of({{"a/data.pkl", pickle}, {"a/byteorder", "?"}}), kDamaged,
       "byte order"},
      {"StorageMissing", zip_of({{"a/data.pkl", pickle}}), kDamaged, "\"state_dict.w\""},
      {"StorageTooShort", zip_of({{"a/data.pkl", pickle}, {"a/data/0", std::string(23, 'x')}}),
       kDamaged, "\"state_dict.w\""},
      {"StorageTooLong", zip_of({{"a/data.pkl", pickle}, {"a/data/0", std::string(28, 'x')}}),
       kDamaged, "\"state_dict.w\""},
      {"StorageEmpty", zip_of({{"a/data.pkl", pickle}, {"a/data/0", ""}}), kDamaged,
       "\"state_dict.w\""},
  };
  return files;
}

std::vector<BadFile> bad_pickles() {
  constexpr std::string_view kFloat = "FloatStorage";
  const int64_t most = int64_t{1} << 62;
  std::vector<BadFile> files = {
      foreign_call("CallsOsSystem", "os", "system"),
      foreign_call("CallsPosixSystem", "posix", "system"),
      foreign_call("CallsEval", "builtins", "eval"),
      foreign_call("CallsOldEval", "__builtin__", "eval"),
      foreign_call("CallsPopen", "subprocess", "Popen"),
      foreign_call("CallsGetattr", "builtins", "getattr"),
      foreign_call("CallsTorchLoad", "torch", "load"),
      foreign_call("CallsRebuildOfUntypedStorage", "torch", "UntypedStorage"),
      foreign_call("CallsComplexStorage", "torch", "ComplexFloatStorage"),
      foreign_call("CallsArgparse", "argparse", "Namespace"),
      foreign_call("CallsAKnownNameOfAnotherModule", "os", "OrderedDict"),
      foreign_call("CallsADottedName", "torch", "_utils._rebuild_tensor_v3"),
      opcode("OpcodeInst", "(ios\nsystem\n", "INST"),
      opcode("OpcodeObj", "(o", "OBJ"),
      opcode("OpcodeNewobj", ")\x81", "NEWOBJ"),
      opcode("OpcodeStackGlobal", "\x93", "STACK_GLOBAL"),
      opcode("OpcodeExtension", "\x82\x01", "EXT1"),
      opcode("OpcodeBytes", "C\x01x", "SHORT_BINBYTES"),
      opcode("OpcodePop", "N0", "POP"),
      opcode("OpcodeDup", "N2", "DUP"),
      opcode("OpcodeTextInteger", "I1\n", "INT"),
      opcode("OpcodeTextPersistentId", "Px\n", "PERSID"),
      opcode("OpcodeUnknown", "\xfe", "0xfe"),
      opcode("IntegerOver64Bits", std::string("\x8a\x09") + std::string(9, '\1'), "64 bits"),
      {"ProtocolFour", torch_zip_of("\x80\x04}."), kUnsupported, "protocol 4"},
      {"NoProtocol", torch_zip_of("}."), kDamaged, "protocol"},
      {"PickleIsEmpty", torch_zip_of(""), kDamaged, "cut short"},
      {"PickleIsCut", torch_zip_of(good_pickle().substr(0, 40)), kDamaged, "cut short"},
      {"BytesAfterStop", torch_zip_of(good_pickle() + "x"), kDamaged, "end of its pickle"},
      {"StopOnAnEmptyStack", torch_zip_of("\x80\x02."), kDamaged, "mid-object"},
      {"StopWithTwoObjects", torch_zip_of("\x80\x02}}."), kDamaged, "mid-object"},
      {"StopWithinAMark", torch_zip_of("\x80\x02(}."), kDamaged, "mid-object"},
      {"RootIsAList", torch_zip_of("\x80\x02]."), kUnsupported, "dict"},
      {"RootIsNone", torch_zip_of("\x80\x02N."), kUnsupported, "dict"},
      {"TakesFromAnEmptyStack", torch_zip_of("\x80\x02\x85."), kDamaged, "not there"},
      {"TakesThroughAMark", torch_zip_of("\x80\x02N(\x85."), kDamaged, "not there"},
      {"TakesAMissingMark", torch_zip_of("\x80\x02Nt."), kDamaged, "mark"},
      {"RecallsWhatWasNeverMade", torch_zip_of("\x80\x02h\x07."), kDamaged, "object 7"},
      {"RemembersNothing", torch_zip_of("\x80\x02q\x01."), kDamaged, "not there"},
      {"RemembersThroughAMark", torch_zip_of("\x80\x02}(q\x01."), kDamaged, "not there"},
      {"EndlessString", torch_zip_of("\x80\x02X\xff\xff\xff\xff"), kDamaged, "cut short"},
      {"EndlessGlobal", torch_zip_of("\x80\x02" + std::string("c") + std::string(1000, 'x')),
       kDamaged, "endless"},
      {"KeyWithoutValue", torch_zip_of("\x80\x02}(Nu."), kDamaged, "without a value"},
      {"SetsAKeyOfAList", torch_zip_of("\x80\x02](NNu."), kDamaged, "no dict"},
      {"AppendsToADict", torch_zip_of("\x80\x02}(Ne."), kDamaged, "no list"},
      {"KeyIsATuple", torch_zip_of("\x80\x02})Ns."), kDamaged, "no string"},
      {"MoreObjectsThanAllowed", torch_zip_of("\x80\x02" + times("N", 1'000'001)), kDamaged,
       "objects"},
      {"MoreMarksThanAllowed", torch_zip_of("\x80\x02" + times("(", 1'000'001)), kDamaged,
       "objects"},
      {"PickleLongerThanAllowed", torch_zip_of(std::string((32u << 20) + 1, 'N')), kDamaged,
       "longer"},
      {"DictWithinItself", torch_zip_of("\x80\x02}q\x01X\x01" + std::string(3, '\0') + "ah\x01s."),
       kDamaged, "nested"},
      {"NestedTooDeeply",
       torch_zip_of("\x80\x02}X\x01" + std::string(3, '\0') + "a" + times("]", 100) +
                    times("a", 99) + "s."),
       kDamaged, "nested"},
      pickle(
          "SharedListsOfSharedLists",
          [](PickleWriter& writer) {
            // Each list holds the one before it ten times: 10^15 items.
            writer.op("(]q").op(std::string_view("\0", 1));
            for (char i = 1; i <= 15; ++i) {
              writer.op("](");
              for (int k = 0; k < 10; ++k)
                writer.op("h").op(std::string(1, static_cast<char>(i - 1)));
              writer.op("eq").op(std::string(1, i));
            }
            writer.op("t");
          },
          "nested"),
      pickle(
          "NameTwice", [](PickleWriter& writer) { writer.op("K\x01").string("w").op("K\x02"); },
          "\"w\""),
      pickle(
          "NameOfAMillionLetters",
          [](PickleWriter& writer) {
            writer.op("N").string(std::string(1'000'000, 'x')).op("K\x01");
          },
          "endless name"),
      pickle(
          "CallsAString", [](PickleWriter& writer) { writer.string("os.system").op(")R"); },
          "no function"),
      pickle(
          "CallsATensor",
          [=](PickleWriter& writer) { writer.tensor(kFloat, "0", 6, 0, {6}, {1}).op(")R"); },
          "no function"),
      pickle(
          "CallsWithoutATuple",
          [](PickleWriter& writer) { writer.global("collections", "OrderedDict").op("}R"); },
          "no function"),
      pickle(
          "CallsAStorageType",
          [=](PickleWriter& writer) { writer.global("torch", kFloat).op(")R"); }, "storage type"),
      pickle(
          "OrderedDictFromArguments",
          [](PickleWriter& writer) { writer.global("collections", "OrderedDict").op("]\x85R"); },
          "OrderedDict"),
      pickle(
          "ParameterFromNothing",
          [](PickleWriter& writer) {
            writer.global("torch._utils", "_rebuild_parameter").op("N\x89N\x87R");
          },
          "parameter"),
      pickle(
          "SetsAttributesOfAList", [](PickleWriter& writer) { writer.op("]}b"); }, "attributes"),
      pickle(
          "SetsAttributesFromAList", [](PickleWriter& writer) { writer.op("}]b"); }, "attributes"),
      pickle(
          "PersistentIdIsAString", [](PickleWriter& writer) { writer.string("x").op("Q"); },
          "outside"),
      pickle(
          "PersistentIdOfAnotherKind",
          [=](PickleWriter& writer) {
            writer.op("(").string("module").global("torch", kFloat).string("0").string("cpu");
            writer.integer(6).op("tQ");
          },
          "outside"),
      pickle(
          "StorageTypeIsAString",
          [](PickleWriter& writer) {
            writer.op("(").string("storage").string("FloatStorage").string("0").string("cpu");
            writer.integer(6).op("tQ");
          },
          "storage"),
      pickle(
          "StorageTypeIsAFunction",
          [](PickleWriter& writer) {
            writer.op("(").string("storage").global("collections", "OrderedDict").string("0");
            writer.string("cpu").integer(6).op("tQ");
          },
          "storage"),
      pickle(
          "StorageOfNegativeSize", [=](PickleWriter& writer) { writer.storage(kFloat, "0", -1); },
          "storage"),
      pickle(
          "TensorFromNothing",
          [](PickleWriter& writer) {
            writer.global("torch._utils", "_rebuild_tensor_v2").op(")R");
          },
          "malformed"),
      pickled_tensor("TensorOfAnotherStorage", kFloat, "1", 6, 0, {6}, {1}),
      pickled_tensor("TensorOfAStorageAbove", kFloat, "../version", 6, 0, {6}, {1}),
      pickled_tensor("TensorClaimsALargerStorage", kFloat, "0", 7, 0, {6}, {1}),
      pickled_tensor("TensorClaimsAnotherType", "DoubleStorage", "0", 6, 0, {6}, {1}),
      pickled_tensor("TensorBeyondItsStorage", kFloat, "0", 6, 0, {7}, {1}),
      pickled_tensor("TensorOffsetBeyond", kFloat, "0", 6, 1, {6}, {1}),
      pickled_tensor("TensorOffsetIsHuge", kFloat, "0", 6, most, {6}, {1}),
      pickled_tensor("TensorOffsetNegative", kFloat, "0", 6, -1, {6}, {1}, kDamaged, "malformed"),
      pickled_tensor("TensorStrideBeyond", kFloat, "0", 6, 0, {2, 3}, {4, 1}),
      pickled_tensor("TensorStrideIsHuge", kFloat, "0", 6, 0, {2, 3}, {most, most}),
      pickled_tensor("TensorStrideNegative", kFloat, "0", 6, 5, {6}, {-1}, kDamaged, "malformed"),
      pickled_tensor("TensorShapeNegative", kFloat, "0", 6, 0, {-6}, {1}, kDamaged, "malformed"),
      pickled_tensor("TensorShapeOverflows", kFloat, "0", 6, 0, {most, most}, {0, 0}),
      pickled_tensor("TensorWithFewerStrides", kFloat, "0", 6, 0, {2, 3}, {1}, kDamaged, "strides"),
      pickled_tensor("TensorOfNineDimensions", kFloat, "0", 6, 0, {1, 1, 1, 1, 1, 1, 1, 1, 6},
                     {1, 1, 1, 1, 1, 1, 1, 1, 1}, kDamaged, "malformed"),
      pickled_tensor("TensorRepeatsItsStorage", kFloat, "0", 6, 0, {1'000'000'000, 6}, {0, 1},
                     kUnsupported),
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
