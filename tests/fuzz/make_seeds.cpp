#include "core/model/zip_archive.h"
#include "tests/support/bad_files.h"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <span>
#include <string>

// Writes the fuzzers' first corpus: make_seeds FOLDER [GOLDEN_CONTAINERS]. FOLDER/{safetensors,
// torch_zip,pickle} get the sound and the bad files of the tests, and those of the golden folder.
namespace {

namespace fs = std::filesystem;
using latentsync::test::BadFile;

// Longer ones only slow the fuzzers down.
constexpr size_t kLongest = 16384;

void write(const fs::path& path, const std::string& bytes) {
  if (bytes.size() <= kLongest) std::ofstream(path, std::ios::binary) << bytes;
}

/// The zip and, where it has one, its pickle.
void write_zip(const fs::path& folder, const std::string& name, const std::string& bytes) {
  write(folder / "torch_zip" / name, bytes);
  try {
    const std::span<const uint8_t> span(reinterpret_cast<const uint8_t*>(bytes.data()),
                                        bytes.size());
    for (const auto& [entry, data] : latentsync::model::list_zip(span, name)) {
      if (entry.ends_with("data.pkl")) {
        write(folder / "pickle" / name, std::string(data.begin(), data.end()));
      }
    }
  } catch (const latentsync::Error&) {
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "make_seeds FOLDER [GOLDEN_CONTAINERS]\n";
    return 2;
  }
  const fs::path folder = argv[1];
  for (const char* name : {"safetensors", "torch_zip", "pickle"}) {
    fs::create_directories(folder / name);
  }
  write(folder / "safetensors/good", latentsync::test::good_safetensors());
  write_zip(folder, "good", latentsync::test::good_torch_zip());
  write_zip(folder, "good64", latentsync::test::good_torch_zip(true));
  for (const BadFile& file : latentsync::test::bad_safetensors()) {
    write(folder / "safetensors" / file.name, file.bytes);
  }
  for (const BadFile& file : latentsync::test::bad_zips()) write_zip(folder, file.name, file.bytes);
  for (const BadFile& file : latentsync::test::bad_pickles()) {
    write_zip(folder, file.name, file.bytes);
  }
  if (argc < 3 || !fs::is_directory(argv[2])) return 0;
  for (const auto& entry : fs::directory_iterator(argv[2])) {
    std::ifstream stream(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".pt")) write_zip(folder, name, bytes);
    if (name.ends_with(".safetensors")) write(folder / "safetensors" / name, bytes);
  }
  return 0;
}
