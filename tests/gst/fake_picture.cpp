#include "tests/gst/fake_picture.h"

#include <algorithm>

namespace latentsync::fake {
namespace {

using kernels::ImageView;
using kernels::PixelFormat;

/// How a plane's samples lie: pixels per group across and down, and bytes per group.
struct Layout {
  int across;
  int down;
  int bytes;
};

std::vector<Layout> layouts(PixelFormat format) {
  switch (format) {
    case PixelFormat::kNv12:
      return {{1, 1, 1}, {2, 2, 2}};
    case PixelFormat::kI420:
      return {{1, 1, 1}, {2, 2, 1}, {2, 2, 1}};
    case PixelFormat::kP010:
      return {{1, 1, 2}, {2, 2, 4}};
    case PixelFormat::kY42b:
      return {{1, 1, 1}, {2, 1, 1}, {2, 1, 1}};
    case PixelFormat::kY444:
      return {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}};
    case PixelFormat::kYuy2:
      return {{2, 1, 4}};
    case PixelFormat::kUyvy:
      return {{2, 1, 4}};
    case PixelFormat::kV210:
      return {{6, 1, 16}};
    case PixelFormat::kI420Ten:
      return {{1, 1, 2}, {2, 2, 2}, {2, 2, 2}};
    case PixelFormat::kI422Ten:
      return {{1, 1, 2}, {2, 1, 2}, {2, 1, 2}};
    case PixelFormat::kY444Ten:
    case PixelFormat::kGbrTen:
      return {{1, 1, 2}, {1, 1, 2}, {1, 1, 2}};
    case PixelFormat::kGbr:
      return {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}};
    case PixelFormat::kRgb:
    case PixelFormat::kBgr:
      return {{1, 1, 3}};
    case PixelFormat::kRgba:
    case PixelFormat::kBgra:
    case PixelFormat::kRgbx:
    case PixelFormat::kBgrx:
    case PixelFormat::kArgb:
    case PixelFormat::kAbgr:
      return {{1, 1, 4}};
  }
  return {};
}

/// The bits of byte AT of a row that a picture may have set: others make values that no decoder of
/// 10 bits takes.
uint8_t bits_in_use(PixelFormat format, int at) {
  switch (format) {
    case PixelFormat::kI420Ten:
    case PixelFormat::kI422Ten:
    case PixelFormat::kY444Ten:
    case PixelFormat::kGbrTen:
      return at % 2 == 0 ? 0xff : 0x03;
    case PixelFormat::kP010:
      return at % 2 == 0 ? 0xc0 : 0xff;
    case PixelFormat::kV210:
      return at % 4 == 3 ? 0x3f : 0xff;
    default:
      return 0xff;
  }
}

int groups(int pixels, int size) { return (pixels + size - 1) / size; }

uint64_t next_random(uint64_t& state) {
  state += 0x9e3779b97f4a7c15ULL;
  uint64_t value = state;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

/// [begin, end) of an edge: the middle half, from an even place to an even place or the edge's end.
std::pair<int, int> middle(int edge) {
  const int begin = edge / 4 / 2 * 2;
  const int end = std::max(begin + 2, edge * 3 / 4 / 2 * 2);
  return {begin, std::min(end, edge)};
}

}  // namespace

Area edited_area(int width, int height) {
  const auto [left, right] = middle(width);
  const auto [top, bottom] = middle(height);
  return {left, top, right, bottom};
}

std::vector<PlaneBytes> plane_bytes(const ImageView& image) {
  std::vector<PlaneBytes> planes;
  for (const Layout& layout : layouts(image.format)) {
    planes.push_back(
        {groups(image.width, layout.across) * layout.bytes, groups(image.height, layout.down)});
  }
  return planes;
}

uint64_t picture_hash(const ImageView& image) {
  Hash hash;
  const std::vector<PlaneBytes> planes = plane_bytes(image);
  for (size_t plane = 0; plane < planes.size(); ++plane) {
    for (int64_t row = 0; row < planes[plane].rows; ++row) {
      hash.add(image.planes[plane].data + row * image.planes[plane].stride,
               static_cast<size_t>(planes[plane].row_bytes));
    }
  }
  return hash.value();
}

void scramble(const ImageView& image, uint64_t seed) {
  const Area area = edited_area(image.width, image.height);
  const std::vector<Layout> planes = layouts(image.format);
  for (size_t plane = 0; plane < planes.size(); ++plane) {
    const Layout& layout = planes[plane];
    const int first = area.left / layout.across;
    const int last = groups(area.right, layout.across);
    for (int row = area.top / layout.down; row < groups(area.bottom, layout.down); ++row) {
      uint8_t* bytes = image.planes[plane].data + row * image.planes[plane].stride;
      for (int at = first * layout.bytes; at < last * layout.bytes; ++at) {
        bytes[at] = static_cast<uint8_t>(next_random(seed) >> 40) & bits_in_use(image.format, at);
      }
    }
  }
}

}  // namespace latentsync::fake
