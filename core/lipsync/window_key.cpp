#include "core/lipsync/window_key.h"

#include <cstddef>
#include <functional>
#include <string_view>

namespace latentsync::lipsync {
namespace {

uint64_t hash_of(std::span<const float> samples) {
  const auto bytes = std::as_bytes(samples);
  return std::hash<std::string_view>()({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void append_view(const kernels::ImageView& view, std::vector<int64_t>& numbers) {
  const auto add = [&](auto value) { numbers.push_back(static_cast<int64_t>(value)); };
  add(view.format);
  add(view.width);
  add(view.height);
  for (const auto& plane : view.planes) {
    add(reinterpret_cast<uintptr_t>(plane.data));
    add(plane.stride);
  }
  add(view.matrix);
  add(view.range);
  add(view.siting);
  add(view.scan);
  add(view.field);
  add(view.device);
}

}  // namespace

WindowKey key_of(const Window& window, std::span<const int64_t> times,
                 std::span<const kernels::ImageView> views, const RenderSettings& settings) {
  WindowKey key{.times = {times.begin(), times.end()},
                .discontinuity = window.discontinuity,
                .audio_start = window.audio_start,
                .audio_hash = hash_of(window.audio),
                .at_rest = window.at_rest,
                .settings = settings};
  for (const auto& view : views) append_view(view, key.views);
  return key;
}

}  // namespace latentsync::lipsync
