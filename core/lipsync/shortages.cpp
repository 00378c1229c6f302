#include "core/lipsync/shortages.h"

#include <algorithm>

namespace latentsync::lipsync {

void Shortages::add(const PlannedRung& planned, int64_t available) {
  const int64_t needed = available + available / 20;
  const std::lock_guard lock(mutex_);
  for (auto& entry : entries_) {
    if (entry.rung != planned.rung || entry.planned != planned.peak) continue;
    entry.needed = std::max(entry.needed, needed);
    return;
  }
  entries_.push_back({planned.rung, planned.peak, needed});
}

int64_t Shortages::needed(const PlannedRung& planned) const {
  const std::lock_guard lock(mutex_);
  for (const auto& entry : entries_) {
    if (entry.rung == planned.rung && entry.planned == planned.peak) {
      return std::max(entry.needed, planned.peak);
    }
  }
  return planned.peak;
}

}  // namespace latentsync::lipsync
