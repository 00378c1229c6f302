#include "tests/support/bad_files.h"
#include "tests/support/bad_files_parts.h"
#include "tests/support/pt_writer_parts.h"

#include <cstdint>

namespace latentsync::test {
namespace {

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

/// A file of 40 KB with ten tensors of nearly all its bytes, which would have to be copied.
std::string overlaps_at_odd_addresses() {
  constexpr int64_t kElements = 10'000;
  PickleWriter writer = start();
  for (int64_t i = 0; i < 10; ++i) {
    writer.string("w" + std::to_string(i));
    writer.tensor("FloatStorage", "0", kElements, i, {kElements - i}, {1});
  }
  writer.op("u.");
  return zip_of({{"a/data.pkl", writer.bytes()}, {"a/data/0", std::string(4 * kElements, '\1')}},
                1);
}

/// 40,000 integers under names of nearly a thousand letters each, from a list that holds one list
/// two hundred times.
std::string names_from_shared_lists() {
  PickleWriter writer = start().string(std::string(980, 'x')).op("](");
  writer.op("]q").op(std::string_view("\0", 1)).op("(").op(times("K\x01", 200)).op("e");
  return torch_zip_of(writer.op(times(std::string_view("h\0", 2), 199)).op("eu.").bytes());
}

}  // namespace

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
      {"ProtocolFour", torch_zip_of("\x80\x04}."), kUnsupported, "Convert it once"},
      {"NoProtocol", torch_zip_of("}."), kDamaged, "protocol"},
      {"PickleIsEmpty", torch_zip_of(""), kDamaged, "cut short"},
      {"PickleIsCut", torch_zip_of(good_pickle().substr(0, 40)), kDamaged, "cut short"},
      {"BytesAfterStop", torch_zip_of(good_pickle() + "x"), kDamaged, "end of its pickle"},
      {"StopOnAnEmptyStack", torch_zip_of("\x80\x02."), kDamaged, "inside an object"},
      {"StopWithTwoObjects", torch_zip_of("\x80\x02}}."), kDamaged, "inside an object"},
      {"StopWithinAMark", torch_zip_of("\x80\x02(}."), kDamaged, "inside an object"},
      {"RootIsAList", torch_zip_of("\x80\x02]."), kUnsupported, "dict"},
      {"RootIsNone", torch_zip_of("\x80\x02N."), kUnsupported, "dict"},
      {"TakesFromAnEmptyStack", torch_zip_of("\x80\x02\x85."), kDamaged, "empty stack"},
      {"TakesThroughAMark", torch_zip_of("\x80\x02N(\x85."), kDamaged, "empty stack"},
      {"TakesAMissingMark", torch_zip_of("\x80\x02Nt."), kDamaged, "mark"},
      {"RecallsWhatWasNeverMade", torch_zip_of("\x80\x02h\x07."), kDamaged, "memo entry 7"},
      {"RemembersNothing", torch_zip_of("\x80\x02q\x01."), kDamaged, "empty stack"},
      {"RemembersThroughAMark", torch_zip_of("\x80\x02}(q\x01."), kDamaged, "empty stack"},
      {"EndlessString", torch_zip_of("\x80\x02X\xff\xff\xff\xff"), kDamaged, "cut short"},
      {"EndlessGlobal", torch_zip_of("\x80\x02" + std::string("c") + std::string(1000, 'x')),
       kDamaged, "too long"},
      {"KeyWithoutValue", torch_zip_of("\x80\x02}(Nu."), kDamaged, "without a value"},
      {"SetsAKeyOfAList", torch_zip_of("\x80\x02](NNu."), kDamaged, "not a dict"},
      {"AppendsToADict", torch_zip_of("\x80\x02}(Ne."), kDamaged, "not a list"},
      {"KeyIsATuple", torch_zip_of("\x80\x02})Ns."), kDamaged, "not a string"},
      {"MoreObjectsThanAllowed", torch_zip_of("\x80\x02" + times("N", 1'000'001)), kDamaged,
       "objects"},
      {"MoreMarksThanAllowed", torch_zip_of("\x80\x02" + times("(", 1'000'001)), kDamaged,
       "objects"},
      {"PickleLongerThanAllowed", torch_zip_of(std::string((32u << 20) + 1, 'N')), kDamaged,
       "size limit"},
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
          "name that is too long"),
      {"NamesLongerThanAnyModels", names_from_shared_lists(), kDamaged, "names together"},
      {"OverlapsAtOddAddresses", overlaps_at_odd_addresses(), kUnsupported, "not aligned"},
      pickled_tensor("StorageOfAnEndlessName", kFloat, std::string(1000, '0'), 6, 0, {6}, {1},
                     kDamaged, "name that is too long"),
      pickle(
          "CallsAString", [](PickleWriter& writer) { writer.string("os.system").op(")R"); },
          "not a function"),
      pickle(
          "CallsATensor",
          [=](PickleWriter& writer) { writer.tensor(kFloat, "0", 6, 0, {6}, {1}).op(")R"); },
          "not a function"),
      pickle(
          "CallsWithoutATuple",
          [](PickleWriter& writer) { writer.global("collections", "OrderedDict").op("}R"); },
          "not a function"),
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
          "persistent ID"),
      pickle(
          "PersistentIdOfAnotherKind",
          [=](PickleWriter& writer) {
            writer.op("(").string("module").global("torch", kFloat).string("0").string("cpu");
            writer.integer(6).op("tQ");
          },
          "persistent ID"),
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

}  // namespace latentsync::test
