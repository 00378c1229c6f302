#include "core/lipsync/faces_key.h"

#include <algorithm>
#include <cstdint>

namespace latentsync::lipsync {
namespace {

// Raised with every change of what goes in, or of what an entry holds.
constexpr int64_t kLayout = 1;

template <typename Value>
void add(cache::KeyBuilder& key, Value value) {
  key.add_number(static_cast<int64_t>(value));
}

// What lies between the rows is nobody's.
void add_frame(cache::KeyBuilder& key, const kernels::ImageView& view) {
  add(key, view.format);
  add(key, view.width);
  add(key, view.height);
  add(key, view.matrix);
  add(key, view.range);
  add(key, view.siting);
  add(key, view.scan);
  add(key, view.field);
  for (int i = 0; i < kernels::plane_count(view.format); ++i) {
    const auto size = kernels::plane_size(view.format, i, view.width, view.height);
    const auto& plane = view.planes[static_cast<size_t>(i)];
    for (int64_t row = 0; row < size.rows; ++row) {
      key.add_bytes({reinterpret_cast<const std::byte*>(plane.data + row * plane.stride),
                     static_cast<size_t>(size.row_bytes)});
    }
  }
}

}  // namespace

cache::Key faces_key(const FacesInput& input) {
  cache::KeyBuilder key;
  key.add_text("faces");
  add(key, kLayout);
  key.add_text(input.model);
  key.add_text(input.identity);
  key.add_text(input.info.device);
  key.add_text(input.info.precision);
  key.add_text(input.info.vae);
  add(key, input.settings.resolution);
  add(key, input.settings.face_select);
  key.add_real(input.settings.nearest_x);
  key.add_real(input.settings.nearest_y);
  add(key, std::min(input.settings.vae_batch, input.rung.vae_batch));
  add(key, input.rung.vae_tile);
  add(key, input.views.size());
  for (const auto& view : input.views) add_frame(key, view);
  key.add_bytes(input.follow);
  return key.key();
}

}  // namespace latentsync::lipsync
