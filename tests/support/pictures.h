#pragma once

#include "kernels/image/affine.h"
#include "kernels/image/image_view.h"

#include <array>
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

/// Frames for the tests of the pixel kernels, and what these kernels are checked against: the
/// definitions one sample at a time in double precision, from the formats' descriptions and not
/// from the kernels' tables.
namespace latentsync::test {

using Rgb = std::array<double, 3>;  ///< in [0, 1]

/// What a picture is; the rest of an ImageView follows from it.
struct PictureKind {
  kernels::PixelFormat format;
  int width;
  int height;
  int padding = 0;  ///< bytes behind each row (rounded up to whole samples)
  kernels::ColorMatrix matrix = kernels::ColorMatrix::kBt709;
  kernels::ColorRange range = kernels::ColorRange::kLimited;
  kernels::ChromaSiting siting = kernels::ChromaSiting::kLeft;
  kernels::Field field = kernels::Field::kAll;
};

std::vector<kernels::PixelFormat> all_formats();

/// The whole product of formats, matrices, ranges, sitings, paddings and odd sizes: 40 or 41 by 34
/// or 35; whole frames and their fields by turns.
std::vector<PictureKind> all_kinds();
std::string describe(const PictureKind& kind);

/// A frame that owns its memory, in the system or on a CUDA device.
struct Picture {
  at::Tensor bytes;         ///< uint8 [all bytes of all planes, with guards between them]
  kernels::ImageView view;  ///< points into it

  Picture to(at::Device device) const;  ///< a copy
};

/// Memory full of one odd value; samples are set by the caller.
Picture make_picture(const PictureKind& kind);

/// A frame of a colour at every point (luma samples).
Picture paint(const PictureKind& kind, const std::function<Rgb(double, double)>& color);

/// Gentle waves of colours well inside every gamut.
Rgb smooth_color(double x, double y);

/// Fine detail, so that a wrong tap or a wrong site shows.
Rgb busy_color(double x, double y);

/// Pictures of a face [3, H, W] in [0, 1] on the tests' device: the crops that the golden inputs of
/// the detector are made of.
std::vector<at::Tensor> golden_face_pictures();

/// Samples of a component's grid: of a field's view that field's.
int columns_of(const kernels::ImageView& view, int component);
int rows_of(const kernels::ImageView& view, int component);

/// The largest code value of a format.
int most_code(kernels::PixelFormat format);

/// The sample's code value, read and written where the format has it; system memory. What a
/// 16-bit word has besides is zero when it is written, what a 32-bit one has is kept.
int sample(const kernels::ImageView& view, int component, int x, int y);
void set_sample(const kernels::ImageView& view, int component, int x, int y, int value);

/// The bytes of `bytes` that hold a sample: the first one, and how many.
struct SampleBytes {
  int64_t first;
  int64_t count;
};
SampleBytes sample_bytes(const Picture& picture, int component, int x, int y);

/// Where a component's sample stands, in luma samples.
std::array<double, 2> place(const kernels::ImageView& view, int component, int x, int y);

/// Luma samples from one of a component's samples to the next one, in x and y.
std::array<double, 2> pitch(const kernels::ImageView& view, int component);

/// A map that scales, turns by an angle and moves.
kernels::Affine turned(double scale_x, double scale_y, double angle, double x0, double y0);

/// RGB to code values and back.
std::array<double, 3> to_code(const kernels::ImageView& view, const Rgb& rgb);
Rgb to_rgb(const kernels::ImageView& view, const std::array<double, 3>& code);

/// The cubic at the distance `t`.
double cubic(double t);

}  // namespace latentsync::test
