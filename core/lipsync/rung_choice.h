#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace latentsync::lipsync {

/// So many windows in a row must have had room for a higher rung before it is taken: memory that
/// others give back for a moment is not worth a change.
constexpr int kRoomyWindows = 10;

/// Which rung the device's free memory has room for, from window to window.
struct RungChoice {
  size_t index = 0;        ///< of the rung in force
  int roomy_windows = 0;   ///< windows in a row that had room for a higher one
  size_t roomy_index = 0;  ///< the highest rung that all of them had room for

  bool operator==(const RungChoice&) const = default;
};

/// The choice for the next window. NEEDS are the bytes of each rung, at least one, AVAILABLE is
/// what the session may take now. Down at once to the first rung that fits, the last where none
/// does; up after kRoomyWindows, to the highest rung that each of them had room for.
RungChoice next_choice(const RungChoice& now, std::span<const int64_t> needs, int64_t available);

}  // namespace latentsync::lipsync
