#pragma once

#include "core/model/tensor_listing.h"

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

/// The tables of the pickle interpreter (pickle.cpp).
namespace latentsync::model {

/// The opcodes that are known, by Python's names for them (Lib/pickletools.py).
enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersistentId = 'Q',
  kReduce = 'R',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kBinFloat = 'G',
  kEmptyTuple = ')',
  kEmptyList = ']',
  kEmptyDict = '}',
  kProtocol = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
};

/// The opcodes that are refused, for the message.
inline constexpr std::array<std::pair<uint8_t, std::string_view>, 38> kRefusedOpcodes = {{
    {'0', "POP"},
    {'1', "POP_MARK"},
    {'2', "DUP"},
    {'F', "FLOAT"},
    {'I', "INT"},
    {'L', "LONG"},
    {'P', "PERSID"},
    {'S', "STRING"},
    {'T', "BINSTRING"},
    {'U', "SHORT_BINSTRING"},
    {'V', "UNICODE"},
    {'d', "DICT"},
    {'g', "GET"},
    {'i', "INST"},
    {'l', "LIST"},
    {'o', "OBJ"},
    {'p', "PUT"},
    {'B', "BINBYTES"},
    {'C', "SHORT_BINBYTES"},
    {0x81, "NEWOBJ"},
    {0x82, "EXT1"},
    {0x83, "EXT2"},
    {0x84, "EXT4"},
    {0x8b, "LONG4"},
    {0x8c, "SHORT_BINUNICODE"},
    {0x8d, "BINUNICODE8"},
    {0x8e, "BINBYTES8"},
    {0x8f, "EMPTY_SET"},
    {0x90, "ADDITEMS"},
    {0x91, "FROZENSET"},
    {0x92, "NEWOBJ_EX"},
    {0x93, "STACK_GLOBAL"},
    {0x94, "MEMOIZE"},
    {0x95, "FRAME"},
    {0x96, "BYTEARRAY8"},
    {0x97, "NEXT_BUFFER"},
    {0x98, "READONLY_BUFFER"},
    {0x00, "NUL"},
}};

/// What the known globals are.
enum GlobalId : int64_t { kOrderedDict, kRebuildTensor, kRebuildParameter, kStorageType };

struct KnownGlobal {
  std::string_view name;
  GlobalId id;
  ElementType type = ElementType::kFloat32;
};

inline constexpr std::array<KnownGlobal, 13> kKnownGlobals = {{
    {"collections.OrderedDict", kOrderedDict},
    {"torch._utils._rebuild_tensor_v2", kRebuildTensor},
    {"torch._utils._rebuild_parameter", kRebuildParameter},
    {"torch.FloatStorage", kStorageType, ElementType::kFloat32},
    {"torch.HalfStorage", kStorageType, ElementType::kFloat16},
    {"torch.BFloat16Storage", kStorageType, ElementType::kBfloat16},
    {"torch.DoubleStorage", kStorageType, ElementType::kFloat64},
    {"torch.LongStorage", kStorageType, ElementType::kInt64},
    {"torch.IntStorage", kStorageType, ElementType::kInt32},
    {"torch.ShortStorage", kStorageType, ElementType::kInt16},
    {"torch.CharStorage", kStorageType, ElementType::kInt8},
    {"torch.ByteStorage", kStorageType, ElementType::kUint8},
    {"torch.BoolStorage", kStorageType, ElementType::kBool},
}};

}  // namespace latentsync::model
