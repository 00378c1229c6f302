#include "kernels/image/image_view.h"

#include "kernels/image/formats.h"

#include <algorithm>

#include <c10/util/Exception.h>

namespace latentsync::kernels {
namespace {

using Places = std::array<ComponentLayout, 3>;

constexpr Places kPlanes = {{{0, 0, 1}, {1, 0, 1}, {2, 0, 1}}};
constexpr Places kPlaneAndPairs = {{{0, 0, 1}, {1, 0, 2}, {1, 1, 2}}};
constexpr Places kChromaFirst = {{{0, 1, 2}, {0, 0, 4}, {0, 2, 4}}};

constexpr FormatLayout kNv12{2, 1, 1, SampleType::kByte, false, kPlaneAndPairs};
constexpr FormatLayout kI420{3, 1, 1, SampleType::kByte, false, kPlanes};
constexpr FormatLayout kP010{2, 1, 1, SampleType::kHigh10, false, kPlaneAndPairs};
constexpr FormatLayout kY42b{3, 1, 0, SampleType::kByte, false, kPlanes};
constexpr FormatLayout kY444{3, 0, 0, SampleType::kByte, false, kPlanes};
constexpr FormatLayout kYuy2{
    1, 1, 0, SampleType::kByte, false, {{{0, 0, 2}, {0, 1, 4}, {0, 3, 4}}}};
constexpr FormatLayout kUyvy{1, 1, 0, SampleType::kByte, false, kChromaFirst};
constexpr FormatLayout kV210{1, 1, 0, SampleType::kPacked10, false, kChromaFirst};
constexpr FormatLayout kI420Ten{3, 1, 1, SampleType::kLow10, false, kPlanes};
constexpr FormatLayout kI422Ten{3, 1, 0, SampleType::kLow10, false, kPlanes};
constexpr FormatLayout kY444Ten{3, 0, 0, SampleType::kLow10, false, kPlanes};
constexpr FormatLayout kRgb{1, 0, 0, SampleType::kByte, true, {{{0, 0, 3}, {0, 1, 3}, {0, 2, 3}}}};
constexpr FormatLayout kBgr{1, 0, 0, SampleType::kByte, true, {{{0, 2, 3}, {0, 1, 3}, {0, 0, 3}}}};
constexpr FormatLayout kRgbx{1, 0, 0, SampleType::kByte, true, {{{0, 0, 4}, {0, 1, 4}, {0, 2, 4}}}};
constexpr FormatLayout kBgrx{1, 0, 0, SampleType::kByte, true, {{{0, 2, 4}, {0, 1, 4}, {0, 0, 4}}}};
constexpr FormatLayout kXrgb{1, 0, 0, SampleType::kByte, true, {{{0, 1, 4}, {0, 2, 4}, {0, 3, 4}}}};
constexpr FormatLayout kXbgr{1, 0, 0, SampleType::kByte, true, {{{0, 3, 4}, {0, 2, 4}, {0, 1, 4}}}};
constexpr Places kGbrPlanes = {{{2, 0, 1}, {0, 0, 1}, {1, 0, 1}}};
constexpr FormatLayout kGbr{3, 0, 0, SampleType::kByte, true, kGbrPlanes};
constexpr FormatLayout kGbrTen{3, 0, 0, SampleType::kLow10, true, kGbrPlanes};

int64_t shifted_up(int64_t size, int shift) { return (size + (1 << shift) - 1) >> shift; }

int64_t bytes_of(SampleType type, int64_t values) {
  // V210 fills 16 bytes with the twelve values of six pixels.
  if (type == SampleType::kPacked10) return (values + 11) / 12 * 16;
  return values * unit_bytes(type);
}

void check_plane(const ImageView& image, int p) {
  const auto& plane = image.planes.at(p);
  const auto size = plane_size(image.format, p, image.width, image.height);
  const int unit = unit_bytes(format_layout(image.format).type);
  TORCH_CHECK(plane.data != nullptr, "image: plane ", p, " is missing");
  TORCH_CHECK(plane.stride >= size.row_bytes, "image: a stride of ", plane.stride,
              " does not hold the ", size.row_bytes, " bytes of a row of plane ", p);
  TORCH_CHECK(plane.stride <= (int64_t{1} << 31), "image: a stride of ", plane.stride,
              " is no picture's");
  TORCH_CHECK(reinterpret_cast<uintptr_t>(plane.data) % unit == 0 && plane.stride % unit == 0,
              "image: samples of plane ", p, " do not lie on multiples of ", unit, " bytes");
  TORCH_CHECK(image.field != Field::kBottom || size.rows >= 2, "image: plane ", p,
              " has no row of the bottom field");
}

}  // namespace

const FormatLayout& format_layout(PixelFormat format) {
  switch (format) {
    case PixelFormat::kNv12:
      return kNv12;
    case PixelFormat::kI420:
      return kI420;
    case PixelFormat::kP010:
      return kP010;
    case PixelFormat::kY42b:
      return kY42b;
    case PixelFormat::kY444:
      return kY444;
    case PixelFormat::kYuy2:
      return kYuy2;
    case PixelFormat::kUyvy:
      return kUyvy;
    case PixelFormat::kV210:
      return kV210;
    case PixelFormat::kI420Ten:
      return kI420Ten;
    case PixelFormat::kI422Ten:
      return kI422Ten;
    case PixelFormat::kY444Ten:
      return kY444Ten;
    case PixelFormat::kRgb:
      return kRgb;
    case PixelFormat::kBgr:
      return kBgr;
    case PixelFormat::kRgba:
    case PixelFormat::kRgbx:
      return kRgbx;
    case PixelFormat::kBgra:
    case PixelFormat::kBgrx:
      return kBgrx;
    case PixelFormat::kArgb:
      return kXrgb;
    case PixelFormat::kAbgr:
      return kXbgr;
    case PixelFormat::kGbr:
      return kGbr;
    case PixelFormat::kGbrTen:
      return kGbrTen;
  }
  TORCH_CHECK(false, "image: ", static_cast<int>(format), " is no pixel format");
}

int plane_count(PixelFormat format) { return format_layout(format).planes; }

PlaneSize plane_size(PixelFormat format, int plane, int width, int height) {
  const auto& layout = format_layout(format);
  TORCH_CHECK(plane >= 0 && plane < layout.planes, "image: the format has no plane ", plane);
  PlaneSize size{0, 0};
  for (size_t c = 0; c < layout.components.size(); ++c) {
    const auto& component = layout.components[c];
    if (component.plane != plane) continue;
    const int64_t columns = shifted_up(width, c == 0 ? 0 : layout.chroma_shift_x);
    // Every step is whole: the last pair of an odd row of YUY2 has room for its second pixel.
    const int64_t group = component.offset - component.offset % component.step;
    size.row_bytes =
        std::max(size.row_bytes, bytes_of(layout.type, group + columns * component.step));
    size.rows = shifted_up(height, c == 0 ? 0 : layout.chroma_shift_y);
  }
  return size;
}

void check_image(const ImageView& image) {
  const auto& layout = format_layout(image.format);
  TORCH_CHECK(image.width >= 1 && image.width <= kMostImageEdge && image.height >= 1 &&
                  image.height <= kMostImageEdge,
              "image: ", image.width, "x", image.height, " is not within 1 to ", kMostImageEdge);
  TORCH_CHECK(image.device >= kSystemMemory, "image: ", image.device, " is no device");
  TORCH_CHECK(image.matrix == ColorMatrix::kBt601 || image.matrix == ColorMatrix::kBt709 ||
                  image.matrix == ColorMatrix::kBt2020,
              "image: unknown colour matrix");
  TORCH_CHECK(image.range == ColorRange::kLimited || image.range == ColorRange::kFull,
              "image: unknown colour range");
  TORCH_CHECK(image.siting == ChromaSiting::kLeft || image.siting == ChromaSiting::kCenter ||
                  image.siting == ChromaSiting::kTopLeft,
              "image: unknown chroma siting");
  TORCH_CHECK(image.scan == Scan::kProgressive || image.scan == Scan::kTopFieldFirst ||
                  image.scan == Scan::kBottomFieldFirst,
              "image: unknown scan");
  TORCH_CHECK(
      image.field == Field::kAll || image.field == Field::kTop || image.field == Field::kBottom,
      "image: unknown field");
  for (int p = 0; p < layout.planes; ++p) check_plane(image, p);
}

ImageView make_image(PixelFormat format, int width, int height,
                     const std::array<ImagePlane, 3>& planes, ColorMatrix matrix, ColorRange range,
                     ChromaSiting siting, int device) {
  const ImageView image{.format = format,
                        .width = width,
                        .height = height,
                        .planes = planes,
                        .matrix = matrix,
                        .range = range,
                        .siting = siting,
                        .device = device};
  check_image(image);
  return image;
}

}  // namespace latentsync::kernels
