#pragma once

#include <array>
#include <cstdint>

/// A video frame as the pixel kernels see it: a plain description of memory that the caller owns.
/// Nothing of LibTorch is needed to fill one in.
namespace latentsync::kernels {

/// GStreamer's names and layouts, all little-endian. P010 has 10 bits in the upper bits of 16, the
/// formats named Ten in the lower ones, V210 three times 10 bits in 32. Formats that have alpha in
/// a plane of its own are seen as those without: nothing here touches alpha.
enum class PixelFormat {
  kNv12,
  kI420,
  kP010,
  kY42b,
  kY444,
  kYuy2,
  kUyvy,
  kV210,
  kI420Ten,
  kI422Ten,
  kY444Ten,
  kRgb,
  kBgr,
  kRgba,
  kBgra,
  kArgb,
  kAbgr,
  kRgbx,
  kBgrx,
  kGbr,
  kGbrTen,
};

enum class ColorMatrix { kBt601, kBt709, kBt2020 };  ///< of the YUV formats; RGB ignores it
enum class ColorRange { kLimited, kFull };           ///< limited: 16-235 and 16-240 of 8 bits

/// Where a subsampled chroma sample lies among the luma samples that it stands for. 4:2:2 formats
/// take the horizontal part alone, 4:4:4 and RGB nothing.
enum class ChromaSiting {
  kLeft,     ///< on the left column, half-way between the rows (MPEG-2; the default of 4:2:0)
  kCenter,   ///< half-way in both directions (MPEG-1, JPEG)
  kTopLeft,  ///< on the first of the luma samples (usual with BT.2020)
};

/// Whether a frame holds two pictures of different times: even rows are the top field, odd ones the
/// bottom field, of each plane.
enum class Scan { kProgressive, kTopFieldFirst, kBottomFieldFirst };

/// Which rows of a frame a view shows.
enum class Field {
  kAll,
  kTop,     ///< every second row, from the first one on
  kBottom,  ///< from the second one on
};

struct ImagePlane {
  uint8_t* data = nullptr;
  int64_t stride = 0;  ///< bytes from a row to the next one, at least a row's bytes
};

constexpr int kSystemMemory = -1;
constexpr int kMostImageEdge = 32768;

struct ImageView {
  PixelFormat format = PixelFormat::kI420;
  int width = 0;   ///< luma samples, 1 to kMostImageEdge, odd ones too: chroma is rounded up
  int height = 0;  ///< likewise
  std::array<ImagePlane, 3> planes;
  ColorMatrix matrix = ColorMatrix::kBt709;
  ColorRange range = ColorRange::kLimited;
  ChromaSiting siting = ChromaSiting::kLeft;
  Scan scan = Scan::kProgressive;
  /// The rows that are read and written. Planes, sizes and all coordinates stay the frame's: a
  /// field's samples stand where they stand in the frame.
  Field field = Field::kAll;
  int device = kSystemMemory;  ///< kSystemMemory, or the CUDA device's number
  /// CUDA memory: a CUevent of the device's primary context behind which all work on the pixels is
  /// ordered; null where they are ready.
  void* ready_event = nullptr;
};

/// Number of planes that a format has.
int plane_count(PixelFormat format);

/// Bytes of a row of a plane, without padding, and its rows. Sizes of subsampled planes are
/// rounded up; a row of YUY2 and UYVY is a whole number of pixel pairs, one of V210 of six pixels.
struct PlaneSize {
  int64_t row_bytes;
  int64_t rows;
};
PlaneSize plane_size(PixelFormat format, int plane, int width, int height);

/// Throws c10::Error unless the view is whole: a known format, sizes within the limits, every
/// plane there with a stride that holds its rows, 16-bit samples on even addresses and 32-bit ones
/// on multiples of four, a row of every plane in the field, and a device that can be one.
void check_image(const ImageView& image);

/// The checked view.
ImageView make_image(PixelFormat format, int width, int height,
                     const std::array<ImagePlane, 3>& planes, ColorMatrix matrix, ColorRange range,
                     ChromaSiting siting = ChromaSiting::kLeft, int device = kSystemMemory);

}  // namespace latentsync::kernels
