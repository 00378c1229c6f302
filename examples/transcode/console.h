#pragma once

#include <chrono>
#include <string_view>

namespace latentsync::transcode {

/// Whether standard error takes text within PATIENCE. May be called in a signal handler.
bool error_is_writable(std::chrono::milliseconds patience) noexcept;

/// Writes TEXT to standard error. Where nobody reads it (a full pipe, a stopped terminal), what
/// does not fit within PATIENCE is dropped; a closed one is ignored. Returns whether all was
/// written. May be called in a signal handler.
bool write_error(std::string_view text, std::chrono::milliseconds patience) noexcept;

/// What is worth a wait: a problem. Progress is not.
constexpr std::chrono::milliseconds kPatience{1000};

}  // namespace latentsync::transcode
