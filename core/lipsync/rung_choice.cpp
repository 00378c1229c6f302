#include "core/lipsync/rung_choice.h"

#include <algorithm>

namespace latentsync::lipsync {

RungChoice next_choice(const RungChoice& now, std::span<const int64_t> needs, int64_t available) {
  size_t first = 0;
  while (first + 1 < needs.size() && needs[first] > available) ++first;
  if (first >= now.index) return {.index = first};
  RungChoice next = now;
  next.roomy_index = now.roomy_windows == 0 ? first : std::max(now.roomy_index, first);
  if (++next.roomy_windows < kRoomyWindows) return next;
  return {.index = next.roomy_index};
}

}  // namespace latentsync::lipsync
