#pragma once

#include "core/memory_plan.h"

#include <cstdint>
#include <mutex>
#include <vector>

namespace latentsync::lipsync {

/// What plans are wrong about: rungs on which memory has run out though their plan had room. A
/// model's sessions share it, so that none tries what has failed in another. For several threads.
class Shortages {
 public:
  /// AVAILABLE bytes were not enough for PLANNED: it is taken to need some more than that.
  void add(const PlannedRung& planned, int64_t available);
  /// The bytes that PLANNED needs, weights included: what is planned, or more.
  int64_t needed(const PlannedRung& planned) const;

 private:
  struct Entry {
    Rung rung;
    int64_t planned = 0;  // plans of other windows have other peaks for the same rung
    int64_t needed = 0;
  };

  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace latentsync::lipsync
