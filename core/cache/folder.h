#pragma once

#include "core/cache/key.h"

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string>

/// Where entries lie: FOLDER/ab/abcd….entry, by the key's digits, beside files of other names
/// that are being written.
namespace latentsync::cache {

/// latentsync in the user's cache folder: $XDG_CACHE_HOME where that is absolute, as its
/// specification has it, else ~/.cache. None where there is no absolute $HOME either.
std::optional<std::filesystem::path> default_folder();

std::filesystem::path entry_path(const std::filesystem::path& folder, const Key& key);

/// Makes FOLDER and what is missing above it, for its owner alone. Errors: errno; 0 where it is
/// there.
int make_folder(const std::filesystem::path& folder);

/// 0 where a folder, and no link to one, lies at PATH; else errno.
int check_folder(const std::filesystem::path& path) noexcept;

/// Now, by the clock that marks files as used.
timespec file_time() noexcept;

/// Makes room in FOLDER: files that were begun an hour ago and never finished go; then, where
/// entries take more than MOST bytes, those that were not used for longest and not since the
/// file_time() SINCE, until a sixteenth of MOST is free. Files of other names are left alone.
/// Returns the bytes that entries and unfinished files still take. What fails is left: other
/// processes do the same at the same time.
uint64_t trim(const std::filesystem::path& folder, uint64_t most, const timespec& since);

/// A name for a file that is to become the entry at PATH, which nobody else uses.
std::filesystem::path part_path(const std::filesystem::path& path);

}  // namespace latentsync::cache
