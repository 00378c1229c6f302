#pragma once

#include "core/error.h"

#include <iosfwd>
#include <string>
#include <vector>

/// Damaged and hostile model files, made in code. They are the table of tests/fault and the seeds
/// of tests/fuzz.
namespace latentsync::test {

struct BadFile {
  std::string name;      ///< what is wrong, as a test name: letters and digits
  std::string bytes;     ///< the whole file
  ErrorCode code;        ///< what opening it must give
  std::string mentions;  ///< what the message must hold beside the path: a tensor, an entry, ...
};

/// For GoogleTest's messages.
void PrintTo(const BadFile& file, std::ostream* stream);

std::vector<BadFile> bad_safetensors();
std::vector<BadFile> bad_zips();
std::vector<BadFile> bad_pickles();
/// What people put where a model should be.
std::vector<BadFile> impostors();

/// Sound files of both formats, small: to be truncated and altered.
std::string good_safetensors();
std::string good_torch_zip(bool zip64 = false);

/// A .pt with this pickle and one storage "0" of 24 bytes.
std::string torch_zip_of(const std::string& pickle);

}  // namespace latentsync::test
