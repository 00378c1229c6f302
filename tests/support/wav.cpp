#include "tests/support/wav.h"

#include "core/model/sha256.h"
#include "tests/support/golden.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>

namespace latentsync::test {
namespace {

static_assert(std::endian::native == std::endian::little, "samples are copied as they lie");

template <typename T>
T read_at(const std::string& bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

}  // namespace

std::filesystem::path media_dir() {
  const char* given = std::getenv("LATENTSYNC_MEDIA_DIR");
  if (given != nullptr && *given != '\0') return given;
  return std::filesystem::path(LATENTSYNC_SOURCE_GOLDEN_DIR).parent_path() / "media";
}

std::vector<int16_t> read_wav(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  const auto fail = [&](const std::string& what) {
    throw std::runtime_error(path.string() + ": " + what);
  };
  if (bytes.size() < 12 || bytes.compare(0, 4, "RIFF") != 0 || bytes.compare(8, 4, "WAVE") != 0) {
    fail("not a WAVE file");
  }
  bool known_format = false;
  for (size_t at = 12; at + 8 <= bytes.size();) {
    const auto name = bytes.substr(at, 4);
    const size_t size = std::min<size_t>(read_at<uint32_t>(bytes, at + 4), bytes.size() - at - 8);
    const size_t body = at + 8;
    if (name == "fmt " && size >= 16) {
      known_format =
          read_at<uint16_t>(bytes, body) == 1 && read_at<uint16_t>(bytes, body + 2) == 1 &&
          read_at<uint32_t>(bytes, body + 4) == 16000 && read_at<uint16_t>(bytes, body + 14) == 16;
    } else if (name == "data") {
      if (!known_format) fail("not mono 16 kHz 16 bit PCM");
      std::vector<int16_t> samples(size / 2);
      std::memcpy(samples.data(), bytes.data() + body, samples.size() * 2);
      return samples;
    }
    at = body + size + size % 2;
  }
  fail("no samples in it");
  return {};
}

std::vector<float> to_float(const std::vector<int16_t>& samples) {
  std::vector<float> out(samples.size());
  std::transform(samples.begin(), samples.end(), out.begin(),
                 [](int16_t sample) { return static_cast<float>(sample) / 32768.0F; });
  return out;
}

std::string sha256(const std::vector<int16_t>& samples) {
  const std::span bytes(reinterpret_cast<const uint8_t*>(samples.data()),
                        samples.size() * sizeof(int16_t));
  return model::hexadecimal(model::Sha256::of(bytes));
}

std::optional<std::vector<int16_t>> find_clip(const std::string& name,
                                              const std::string& wanted_sha256) {
  for (const auto& folder : {golden_dir() / "mel", golden_dir() / "media", media_dir()}) {
    for (const auto& file : {name + ".wav", name + "_audio.wav"}) {
      if (!std::filesystem::exists(folder / file)) continue;
      auto samples = read_wav(folder / file);
      if (sha256(samples) == wanted_sha256) return samples;
    }
  }
  return std::nullopt;
}

}  // namespace latentsync::test
