#include "tests/support/pictures.h"

#include "core/model/state_dict.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>

namespace latentsync::test {
namespace {

using kernels::ChromaSiting;
using kernels::ColorMatrix;
using kernels::ColorRange;
using kernels::Field;
using kernels::ImageView;
using kernels::PixelFormat;

constexpr uint8_t kGuard = 0xa5;
constexpr int64_t kGuardBytes = 32;

enum class Subsampling { k420, k422, k444 };
enum class Depth { kEight, kTenHigh, kTenLow, kTenPacked };

struct Description {
  Depth depth;
  Subsampling subsampling;
  bool rgb = false;
};

Description description(PixelFormat format) {
  switch (format) {
    case PixelFormat::kNv12:
    case PixelFormat::kI420:
      return {Depth::kEight, Subsampling::k420};
    case PixelFormat::kP010:
      return {Depth::kTenHigh, Subsampling::k420};
    case PixelFormat::kI420Ten:
      return {Depth::kTenLow, Subsampling::k420};
    case PixelFormat::kY42b:
    case PixelFormat::kYuy2:
    case PixelFormat::kUyvy:
      return {Depth::kEight, Subsampling::k422};
    case PixelFormat::kI422Ten:
      return {Depth::kTenLow, Subsampling::k422};
    case PixelFormat::kV210:
      return {Depth::kTenPacked, Subsampling::k422};
    case PixelFormat::kY444:
      return {Depth::kEight, Subsampling::k444};
    case PixelFormat::kY444Ten:
      return {Depth::kTenLow, Subsampling::k444};
    case PixelFormat::kGbrTen:
      return {Depth::kTenLow, Subsampling::k444, true};
    default:
      return {Depth::kEight, Subsampling::k444, true};
  }
}

bool is_rgb(PixelFormat format) { return description(format).rgb; }
bool halves_columns(PixelFormat f) { return description(f).subsampling != Subsampling::k444; }
bool halves_rows(PixelFormat f) { return description(f).subsampling == Subsampling::k420; }
int unit(PixelFormat format) { return (most_code(format) + 1) / 256; }

// Bytes that rows are multiples of.
int64_t grain(PixelFormat format) {
  switch (description(format).depth) {
    case Depth::kEight:
      return 1;
    case Depth::kTenPacked:
      return 4;
    default:
      return 2;
  }
}

// The row of the frame's plane that holds a row of a view's component.
int64_t frame_row(const ImageView& v, int64_t y) {
  if (v.field == Field::kAll) return y;
  return 2 * y + (v.field == Field::kBottom ? 1 : 0);
}

// The address of a sample, from each format's description; of V210 that of the 32 bits it is in.
uint8_t* address(const ImageView& v, int c, int64_t x, int64_t y) {
  y = frame_row(v, y);
  const auto row = [&](int plane) { return v.planes[plane].data + y * v.planes[plane].stride; };
  switch (v.format) {
    case PixelFormat::kNv12:
      return c == 0 ? row(0) + x : row(1) + 2 * x + (c - 1);
    case PixelFormat::kP010:
      return c == 0 ? row(0) + 2 * x : row(1) + 4 * x + 2 * (c - 1);
    case PixelFormat::kI420:
    case PixelFormat::kY42b:
    case PixelFormat::kY444:
      return row(c) + x;
    case PixelFormat::kI420Ten:
    case PixelFormat::kI422Ten:
    case PixelFormat::kY444Ten:
      return row(c) + 2 * x;
    case PixelFormat::kYuy2:
      return row(0) + (c == 0 ? 2 * x : 4 * x + (c == 1 ? 1 : 3));
    case PixelFormat::kUyvy:
      return row(0) + (c == 0 ? 2 * x + 1 : 4 * x + (c == 1 ? 0 : 2));
    case PixelFormat::kV210: {
      // The words of six pixels: Cb0 Y0 Cr0, Y1 Cb1 Y2, Cr1 Y3 Cb2, Y4 Cr2 Y5.
      constexpr int kLumaWords[] = {0, 1, 1, 2, 3, 3};
      constexpr int kChromaWords[2][3] = {{0, 1, 2}, {0, 2, 3}};
      const int64_t group = c == 0 ? x / 6 : x / 3;
      const int word = c == 0 ? kLumaWords[x % 6] : kChromaWords[c - 1][x % 3];
      return row(0) + 16 * group + 4 * word;
    }
    case PixelFormat::kRgb:
      return row(0) + 3 * x + c;
    case PixelFormat::kBgr:
      return row(0) + 3 * x + 2 - c;
    case PixelFormat::kRgba:
    case PixelFormat::kRgbx:
      return row(0) + 4 * x + c;
    case PixelFormat::kBgra:
    case PixelFormat::kBgrx:
      return row(0) + 4 * x + 2 - c;
    case PixelFormat::kArgb:
      return row(0) + 4 * x + 1 + c;
    case PixelFormat::kAbgr:
      return row(0) + 4 * x + 3 - c;
    case PixelFormat::kGbr:
      return row((c + 2) % 3) + x;
    case PixelFormat::kGbrTen:
      return row((c + 2) % 3) + 2 * x;
  }
  return nullptr;
}

// Where V210 has a sample in its 32 bits.
int packed_shift(int c, int64_t x) {
  constexpr int kLuma[] = {10, 0, 20, 10, 0, 20};
  constexpr int kChroma[2][3] = {{0, 10, 20}, {20, 0, 10}};
  return c == 0 ? kLuma[x % 6] : kChroma[c - 1][x % 3];
}

uint32_t read_word(const uint8_t* at) {
  return at[0] + 256U * at[1] + 65536U * at[2] + 16777216U * at[3];
}

struct Weights {
  double red, green, blue;
};

Weights weights(ColorMatrix matrix) {
  if (matrix == ColorMatrix::kBt601) return {0.299, 0.587, 0.114};
  if (matrix == ColorMatrix::kBt709) return {0.2126, 0.7152, 0.0722};
  return {0.2627, 0.6780, 0.0593};
}

// Code value of a luma-like value in [0, 1], or of a chroma value in [-0.5, 0.5].
double quantise(const ImageView& v, double value, bool chroma) {
  const double unit = test::unit(v.format);
  if (v.range == ColorRange::kFull) {
    return value * (256 * unit - 1) + (chroma ? 128 * unit : 0);
  }
  return chroma ? (224 * value + 128) * unit : (219 * value + 16) * unit;
}

double dequantise(const ImageView& v, double code, bool chroma) {
  const double zero = quantise(v, 0, chroma);
  return (code - zero) / (quantise(v, 1, chroma) - zero);
}

}  // namespace

std::vector<PixelFormat> all_formats() {
  return {PixelFormat::kNv12,    PixelFormat::kI420, PixelFormat::kP010,    PixelFormat::kY42b,
          PixelFormat::kY444,    PixelFormat::kYuy2, PixelFormat::kRgb,     PixelFormat::kBgr,
          PixelFormat::kRgba,    PixelFormat::kBgra, PixelFormat::kRgbx,    PixelFormat::kBgrx,
          PixelFormat::kUyvy,    PixelFormat::kV210, PixelFormat::kI420Ten, PixelFormat::kI422Ten,
          PixelFormat::kY444Ten, PixelFormat::kArgb, PixelFormat::kAbgr,    PixelFormat::kGbr,
          PixelFormat::kGbrTen};
}

std::vector<PictureKind> all_kinds() {
  constexpr Field kFields[] = {Field::kAll, Field::kTop, Field::kBottom};
  std::vector<PictureKind> kinds;
  for (const auto format : test::all_formats()) {
    for (const auto matrix : {ColorMatrix::kBt601, ColorMatrix::kBt709, ColorMatrix::kBt2020}) {
      for (const auto range : {ColorRange::kLimited, ColorRange::kFull}) {
        for (const auto siting :
             {ChromaSiting::kLeft, ChromaSiting::kCenter, ChromaSiting::kTopLeft}) {
          for (const int padding : {0, 7}) {
            for (const int odd : {0, 1, 2, 3}) {
              kinds.push_back({format, 40 + odd % 2, 34 + odd / 2, padding, matrix, range, siting,
                               kFields[kinds.size() % 3]});
            }
          }
        }
      }
    }
  }
  return kinds;
}

std::string describe(const PictureKind& kind) {
  return "format " + std::to_string(static_cast<int>(kind.format)) + ", " +
         std::to_string(kind.width) + "x" + std::to_string(kind.height) + ", padding " +
         std::to_string(kind.padding) + ", matrix " +
         std::to_string(static_cast<int>(kind.matrix)) + ", range " +
         std::to_string(static_cast<int>(kind.range)) + ", siting " +
         std::to_string(static_cast<int>(kind.siting)) + ", field " +
         std::to_string(static_cast<int>(kind.field));
}

Picture Picture::to(at::Device device) const {
  Picture copy{bytes.to(device, bytes.scalar_type(), false, true), view};
  auto* from = bytes.mutable_data_ptr<uint8_t>();
  auto* to = copy.bytes.mutable_data_ptr<uint8_t>();
  for (auto& plane : copy.view.planes) {
    if (plane.data != nullptr) plane.data = to + (plane.data - from);
  }
  copy.view.device = device.is_cuda() ? copy.bytes.get_device() : kernels::kSystemMemory;
  return copy;
}

Picture make_picture(const PictureKind& kind) {
  const int64_t grain = test::grain(kind.format);
  const int64_t padding = (kind.padding + grain - 1) / grain * grain;
  const int planes = kernels::plane_count(kind.format);
  int64_t total = kGuardBytes;
  std::array<int64_t, 3> begin{};
  std::array<int64_t, 3> stride{};
  for (int p = 0; p < planes; ++p) {
    const auto size = kernels::plane_size(kind.format, p, kind.width, kind.height);
    begin[p] = total;
    stride[p] = size.row_bytes + padding;
    total += (stride[p] * size.rows + kGuardBytes + 3) / 4 * 4;
  }
  Picture picture{at::full({total}, kGuard, at::kByte), {}};
  auto* data = picture.bytes.mutable_data_ptr<uint8_t>();
  std::array<kernels::ImagePlane, 3> where;
  for (int p = 0; p < planes; ++p) where[p] = {data + begin[p], stride[p]};
  picture.view = kernels::make_image(kind.format, kind.width, kind.height, where, kind.matrix,
                                     kind.range, kind.siting);
  picture.view.field = kind.field;
  return picture;
}

Picture paint(const PictureKind& kind, const std::function<Rgb(double, double)>& color) {
  auto picture = make_picture(kind);
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < rows_of(picture.view, c); ++y) {
      for (int x = 0; x < columns_of(picture.view, c); ++x) {
        const auto at = place(picture.view, c, x, y);
        const auto code = to_code(picture.view, color(at[0], at[1]));
        set_sample(picture.view, c, x, y, static_cast<int>(std::lround(code[c])));
      }
    }
  }
  return picture;
}

Rgb smooth_color(double x, double y) {
  return {0.5 + 0.2 * std::sin(0.07 * x + 0.02 * y), 0.45 + 0.2 * std::cos(0.05 * y - 0.03 * x),
          0.5 + 0.15 * std::sin(0.04 * (x + y))};
}

Rgb busy_color(double x, double y) {
  return {0.5 + 0.4 * std::sin(1.3 * x + 0.4 * y), 0.5 + 0.4 * std::cos(0.9 * y - 0.2 * x),
          0.5 + 0.4 * std::sin(0.8 * (x + 2 * y))};
}

std::vector<at::Tensor> golden_face_pictures() {
  std::vector<at::Tensor> pictures;
  for (const auto& [name, tensor] : golden("facenets/facenets.safetensors").tensors) {
    if (name.starts_with("face_detection_full_range") && name.ends_with("_crop.input")) {
      pictures.push_back((tensor[0].permute({2, 0, 1}) / 2 + 0.5).contiguous().to(test_device()));
    }
  }
  return pictures;
}

int columns_of(const ImageView& v, int c) {
  return c > 0 && halves_columns(v.format) ? (v.width + 1) / 2 : v.width;
}

int rows_of(const ImageView& v, int c) {
  const int rows = c > 0 && halves_rows(v.format) ? (v.height + 1) / 2 : v.height;
  if (v.field == Field::kAll) return rows;
  return v.field == Field::kTop ? (rows + 1) / 2 : rows / 2;
}

int most_code(PixelFormat format) {
  return description(format).depth == Depth::kEight ? 255 : 1023;
}

int sample(const ImageView& v, int c, int x, int y) {
  const uint8_t* at = address(v, c, x, y);
  switch (description(v.format).depth) {
    case Depth::kEight:
      return at[0];
    case Depth::kTenHigh:
      return (at[0] + 256 * at[1]) / 64;
    case Depth::kTenLow:
      return (at[0] + 256 * at[1]) % 1024;
    case Depth::kTenPacked:
      break;
  }
  return static_cast<int>(read_word(at) >> packed_shift(c, x) & 1023);
}

void set_sample(const ImageView& v, int c, int x, int y, int value) {
  uint8_t* at = address(v, c, x, y);
  const auto depth = description(v.format).depth;
  if (depth == Depth::kTenPacked) {
    const int shift = packed_shift(c, x);
    const uint32_t word = (read_word(at) & ~(1023U << shift)) | static_cast<uint32_t>(value)
                                                                    << shift;
    for (int k = 0; k < 4; ++k) at[k] = static_cast<uint8_t>(word >> 8 * k);
    return;
  }
  const int stored = depth == Depth::kTenHigh ? value * 64 : value;
  at[0] = static_cast<uint8_t>(stored % 256);
  if (depth != Depth::kEight) at[1] = static_cast<uint8_t>(stored / 256);
}

SampleBytes sample_bytes(const Picture& picture, int c, int x, int y) {
  const int64_t first = address(picture.view, c, x, y) - picture.bytes.const_data_ptr<uint8_t>();
  switch (description(picture.view.format).depth) {
    case Depth::kEight:
      return {first, 1};
    case Depth::kTenPacked:
      return {first + packed_shift(c, x) / 8, 2};
    default:
      return {first, 2};
  }
}

std::array<double, 2> place(const ImageView& v, int c, int x, int y) {
  std::array<double, 2> at{static_cast<double>(x), static_cast<double>(y)};
  at[1] = static_cast<double>(frame_row(v, y));
  if (c == 0) return at;
  if (halves_columns(v.format)) at[0] = 2.0 * x + (v.siting == ChromaSiting::kCenter ? 0.5 : 0);
  if (!halves_rows(v.format)) return at;
  const bool on_luma = v.siting == ChromaSiting::kTopLeft;
  if (v.field == Field::kAll) {
    at[1] = 2.0 * y + (on_luma ? 0 : 0.5);
    return at;
  }
  // In rows of the field: on the first of its two luma rows, else a quarter below it in the top
  // field and three quarters below it in the bottom field.
  const bool bottom = v.field == Field::kBottom;
  const double in_field = 2.0 * y + (on_luma ? 0 : bottom ? 0.75 : 0.25);
  at[1] = 2 * in_field + (bottom ? 1 : 0);
  return at;
}

std::array<double, 2> pitch(const ImageView& v, int c) {
  const auto first = place(v, c, 0, 0);
  const auto next = place(v, c, 1, 1);
  return {next[0] - first[0], next[1] - first[1]};
}

kernels::Affine turned(double scale_x, double scale_y, double angle, double x0, double y0) {
  return {.xx = scale_x * std::cos(angle),
          .xy = -scale_y * std::sin(angle),
          .x0 = x0,
          .yx = scale_x * std::sin(angle),
          .yy = scale_y * std::cos(angle),
          .y0 = y0};
}

std::array<double, 3> to_code(const ImageView& v, const Rgb& rgb) {
  if (is_rgb(v.format)) {
    return {quantise(v, rgb[0], false), quantise(v, rgb[1], false), quantise(v, rgb[2], false)};
  }
  const auto w = weights(v.matrix);
  const double y = w.red * rgb[0] + w.green * rgb[1] + w.blue * rgb[2];
  return {quantise(v, y, false), quantise(v, (rgb[2] - y) / (2 * (1 - w.blue)), true),
          quantise(v, (rgb[0] - y) / (2 * (1 - w.red)), true)};
}

Rgb to_rgb(const ImageView& v, const std::array<double, 3>& code) {
  if (is_rgb(v.format)) {
    return {dequantise(v, code[0], false), dequantise(v, code[1], false),
            dequantise(v, code[2], false)};
  }
  const auto w = weights(v.matrix);
  const double y = dequantise(v, code[0], false);
  const double red = y + 2 * (1 - w.red) * dequantise(v, code[2], true);
  const double blue = y + 2 * (1 - w.blue) * dequantise(v, code[1], true);
  return {red, (y - w.red * red - w.blue * blue) / w.green, blue};
}

double cubic(double t) {
  t = std::fabs(t);
  if (t < 1) return 1.5 * t * t * t - 2.5 * t * t + 1;
  if (t < 2) return -0.5 * t * t * t + 2.5 * t * t - 4 * t + 2;
  return 0;
}

}  // namespace latentsync::test
