#include "tests/support/bad_files.h"
#include "tests/support/bad_files_parts.h"

#include <cstdint>

namespace latentsync::test {
namespace {

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

/// A zip whose last entry lies within the one before it.
std::string zip_within_itself() {
  const std::string storage(24, '\1');
  const std::string alone = zip_of({{"archive/data/1", storage}});
  const std::string inner = alone.substr(0, central_header(alone, 0));
  const std::string zip = zip_of({{"archive/data.pkl", good_pickle()},
                                  {"archive/data/0", inner},
                                  {"archive/data/1", storage}});
  return with_central<uint32_t>(zip, 2, 42, static_cast<uint32_t>(zip.find(inner)));
}

}  // namespace

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
      {"LocalNameDiffers", with_local<char>(zip, 2, 30, 'A'), kDamaged, "differs"},
      {"LocalMethodDiffers", with_local<uint16_t>(zip, 2, 8, 8), kDamaged, "differs"},
      {"LocalFlagsDiffer", with_local<uint16_t>(zip, 2, 6, 8), kDamaged, "differs"},
      {"LocalSizeDiffers", with_local<uint32_t>(zip, 2, 22, 23), kDamaged, "another size"},
      {"LocalNameLengthLies", with_local<uint16_t>(zip, 2, 26, 0xffff), kDamaged, "zip structure"},
      {"LocalExtraLengthLies", with_local<uint16_t>(zip, 2, 28, 0xffff), kDamaged, "data/0"},
      {"TwoEntriesShareOneHeader",
       with_central<uint32_t>(zip, 2, 42, static_cast<uint32_t>(local_header(zip, 1))), kDamaged,
       "differs"},
      {"EntryWithinAnother", zip_within_itself(), kDamaged, "overlaps"},
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

}  // namespace latentsync::test
