#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace latentsync::model {

/// The entries of an uncompressed zip file: name -> its bytes within the file. No two entries
/// share bytes.
using ZipEntries = std::map<std::string, std::span<const uint8_t>>;

inline constexpr uint64_t kMaxZipEntries = 200'000;

/// Reads the central directory of a zip file (with ZIP64), checks every entry against its local
/// header and against the others, and gives the stored bytes.
///
/// Narrower than the format: no compression, no encryption, no comment or bytes after the end, no
/// bytes before the first entry, no spanned archives, no name twice. What torch.save writes passes.
/// Checksums are not computed. Errors: kDamagedFile; kUnsupported for compression and encryption.
ZipEntries list_zip(std::span<const uint8_t> file, const std::string& path);

}  // namespace latentsync::model
