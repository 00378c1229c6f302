#pragma once

#include "core/engine.h"

#include <cstdint>
#include <span>
#include <vector>

namespace latentsync::lipsync {

/// What a window that was prepared ahead of time is recognised by: its frames (their times and
/// where their samples lie, not their contents), its audio, and its settings.
struct WindowKey {
  std::vector<int64_t> times;
  std::vector<int64_t> views;  ///< addresses, strides, formats and sizes
  bool discontinuity = false;
  int64_t audio_start = 0;
  uint64_t audio_hash = 0;
  std::vector<bool> at_rest;
  RenderSettings settings;  ///< resolved

  bool operator==(const WindowKey&) const = default;
};

WindowKey key_of(const Window& window, std::span<const int64_t> times,
                 std::span<const kernels::ImageView> views, const RenderSettings& settings);

}  // namespace latentsync::lipsync
