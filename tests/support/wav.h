#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

/// Audio clips for tests.
namespace latentsync::test {

/// $LATENTSYNC_MEDIA_DIR, for tests that were built in another place, else tests/data/media of the
/// source tree.
std::filesystem::path media_dir();

/// Samples of a mono 16 kHz, 16 bit PCM WAVE file. Throws std::runtime_error, naming the file and
/// what it is instead.
std::vector<int16_t> read_wav(const std::filesystem::path& path);

/// Full scale 1, as the reference reads it: sample / 32768.
std::vector<float> to_float(const std::vector<int16_t>& samples);

/// Lower-case hexadecimal SHA-256 of the samples as little-endian bytes.
std::string sha256(const std::vector<int16_t>& samples);

/// The clip of this name whose samples have this sha256, from the golden set or tests/data/media
/// (NAME.wav or NAME_audio.wav); nothing where no such file is at hand.
std::optional<std::vector<int16_t>> find_clip(const std::string& name,
                                              const std::string& wanted_sha256);

}  // namespace latentsync::test
