#include "kernels/reference/align_restore.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/_upsample_bicubic2d_aa.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/grid_sampler_2d.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/reflection_pad2d.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

namespace latentsync::kernels {
namespace {

constexpr double kFill = 127;

struct Part {
  int64_t left, top, width, height;
};

// Truncation to bytes makes the last bit of a sampling place matter: a value that is whole but for
// rounding may fall to either side. So these matrices are products and inverses in float32 without
// fused operations, step by step as kornia and LAPACK take them.
struct Matrix {
  float at[3][3];
};

Matrix matrix_of(const Affine& map) {
  return {{{static_cast<float>(map.xx), static_cast<float>(map.xy), static_cast<float>(map.x0)},
           {static_cast<float>(map.yx), static_cast<float>(map.yy), static_cast<float>(map.y0)},
           {0, 0, 1}}};
}

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix result{};
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      result.at[i][j] = a.at[i][0] * b.at[0][j] + a.at[i][1] * b.at[1][j] + a.at[i][2] * b.at[2][j];
    }
  }
  return result;
}

// LU decomposition with row exchanges, columns scaled by the pivot's reciprocal.
Matrix inverse_of(Matrix lu) {
  Matrix result{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  for (int k = 0; k < 3; ++k) {
    int pivot = k;
    for (int i = k + 1; i < 3; ++i) {
      if (std::fabs(lu.at[i][k]) > std::fabs(lu.at[pivot][k])) pivot = i;
    }
    std::swap(lu.at[k], lu.at[pivot]);
    std::swap(result.at[k], result.at[pivot]);
    const float reciprocal = 1 / lu.at[k][k];
    for (int i = k + 1; i < 3; ++i) {
      lu.at[i][k] *= reciprocal;
      for (int j = k + 1; j < 3; ++j) lu.at[i][j] -= lu.at[i][k] * lu.at[k][j];
    }
  }
  for (int column = 0; column < 3; ++column) {
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < i; ++j) result.at[i][column] -= lu.at[i][j] * result.at[j][column];
    }
    for (int i = 2; i >= 0; --i) {
      for (int j = 2; j > i; --j) result.at[i][column] -= lu.at[i][j] * result.at[j][column];
      result.at[i][column] *= 1 / lu.at[i][i];
    }
  }
  return result;
}

// From pixels to grid_sampler's coordinates: -1 and 1 are the centres of the first and the last.
Matrix to_unit(int64_t height, int64_t width) {
  const auto scale = [](int64_t size) {
    return 2 / static_cast<float>(std::max<int64_t>(size - 1, 1));
  };
  return {{{scale(width), 0, -1}, {0, scale(height), -1}, {0, 0, 1}}};
}

// Where a target's pixels lie in an image, both in grid_sampler's coordinates.
struct Warp {
  Matrix target_to_image;
  int64_t height, width;  // of the target
};

Warp warp_of(const Matrix& image_to_target, int64_t image_height, int64_t image_width,
             int64_t height, int64_t width) {
  const auto forth =
      product(to_unit(height, width),
              product(image_to_target, inverse_of(to_unit(image_height, image_width))));
  return {inverse_of(forth), height, width};
}

// IMAGE [1, C, H, W] at the pixels of a part of the target, bilinear, zero outside: [1, C, height,
// width].
at::Tensor warp(const at::Tensor& image, const Warp& map, const Part& part) {
  const auto options = image.options();
  const auto x =
      at::linspace(-1, 1, map.width, options).narrow(0, part.left, part.width).unsqueeze(0);
  const auto y =
      at::linspace(-1, 1, map.height, options).narrow(0, part.top, part.height).unsqueeze(1);
  const auto& m = map.target_to_image.at;
  const auto grid =
      at::stack({x * m[0][0] + y * m[0][1] + m[0][2], x * m[1][0] + y * m[1][1] + m[1][2]}, -1);
  constexpr int64_t kBilinear = 0;
  constexpr int64_t kZeros = 0;
  return at::grid_sampler_2d(image, grid.unsqueeze(0), kBilinear, kZeros, true);
}

// The same with kFill outside, blended in at the border.
at::Tensor warp_filled(const at::Tensor& image, const Warp& map, const Part& part) {
  const auto ones = at::ones({1, 1, image.size(2), image.size(3)}, image.options());
  return warp(image, map, part) + (1 - warp(ones, map, part)) * kFill;
}

// From the aligned face back to the frame.
Warp back_to_frame(const Affine& frame_to_aligned, const AlignedSize& size, int64_t frame_height,
                   int64_t frame_width) {
  return warp_of(inverse_of(matrix_of(frame_to_aligned)), size.height, size.width, frame_height,
                 frame_width);
}

// The part of a frame that a mask can touch: the warped rectangle with room for what erosion and
// blur look at, so that the part's borders are the frame's or lie in zeros.
Part part_of(const Affine& aligned_to_frame, const AlignedSize& size, int64_t frame_height,
             int64_t frame_width) {
  const Affine& map = aligned_to_frame;
  const auto across = static_cast<double>(size.width);
  const auto down = static_cast<double>(size.height);
  const double wide = std::fabs(map.xx) * (across + 1) + std::fabs(map.xy) * (down + 1);
  const double high = std::fabs(map.yx) * (across + 1) + std::fabs(map.yy) * (down + 1);
  const double least_x =
      map.x0 + std::min(-map.xx, map.xx * across) + std::min(-map.xy, map.xy * down);
  const double least_y =
      map.y0 + std::min(-map.yx, map.yx * across) + std::min(-map.yy, map.yy * down);
  const double room = std::sqrt(wide * high) / 10 + 4;
  const auto within = [](double value, int64_t size_of_frame) {
    return static_cast<int64_t>(std::clamp(value, 0.0, static_cast<double>(size_of_frame)));
  };
  const int64_t left = within(std::floor(least_x - room), frame_width);
  const int64_t top = within(std::floor(least_y - room), frame_height);
  return {left, top, within(std::ceil(least_x + wide + room), frame_width) - left,
          within(std::ceil(least_y + high + room), frame_height) - top};
}

// The least value of a window of `size` x `size` that reaches size / 2 to the left and upwards;
// outside the mask nothing is less.
at::Tensor erode(const at::Tensor& mask, int64_t size) {
  const auto least = -at::max_pool2d(-mask, {size, size}, {1, 1}, {size / 2, size / 2});
  return least.slice(2, 0, mask.size(2)).slice(3, 0, mask.size(3));
}

at::Tensor blur(const at::Tensor& mask, int64_t radius, double sigma) {
  const auto t = at::arange(-radius, radius + 1, mask.options());
  auto weights = at::exp(t.square() / (-2 * sigma * sigma));
  weights = weights / weights.sum();
  const int64_t taps = 2 * radius + 1;
  const auto padded = at::reflection_pad2d(mask, {radius, radius, radius, radius});
  return at::conv2d(at::conv2d(padded, weights.view({1, 1, 1, taps})),
                    weights.view({1, 1, taps, 1}));
}

at::Tensor planar(const at::Tensor& frame) {
  TORCH_CHECK(frame.dim() == 3 && frame.size(2) == 3 && frame.scalar_type() == at::kByte &&
                  frame.numel() > 0,
              "reference: the frame is uint8 [H, W, 3]");
  return frame.permute({2, 0, 1}).unsqueeze(0).to(at::kFloat);
}

}  // namespace

AlignedSize reference_aligned_size(int64_t resolution) {
  const double ratio = static_cast<double>(resolution) / 256 * 2.8;
  return {static_cast<int64_t>(75 * ratio), static_cast<int64_t>(100 * ratio)};
}

at::Tensor reference_align(const at::Tensor& frame, const Affine& frame_to_aligned,
                           const AlignedSize& size) {
  static_cast<void>(inverse(frame_to_aligned));  // refuses what has none
  const auto map =
      warp_of(matrix_of(frame_to_aligned), frame.size(0), frame.size(1), size.height, size.width);
  const auto aligned = warp_filled(planar(frame), map, {0, 0, size.width, size.height});
  return aligned[0].permute({1, 2, 0}).to(at::kByte).contiguous();
}

ReferenceMask reference_mask(const Affine& frame_to_aligned, const AlignedSize& size,
                             int64_t frame_height, int64_t frame_width, at::Device device) {
  const auto part = part_of(inverse(frame_to_aligned), size, frame_height, frame_width);
  const auto options = at::TensorOptions(at::kFloat).device(device);
  ReferenceMask mask{.left = part.left, .top = part.top};
  mask.rectangle = mask.soft = at::zeros({part.height, part.width}, options);
  if (part.width == 0 || part.height == 0) return mask;
  const auto ones = at::ones({1, 1, size.height, size.width}, options);
  const auto map = back_to_frame(frame_to_aligned, size, frame_height, frame_width);
  const auto rectangle = erode(warp(ones, map, part), 2);
  mask.rectangle = rectangle[0][0];
  const double area = rectangle.sum(at::kDouble).item<double>();
  const int64_t edge = static_cast<int64_t>(std::sqrt(area)) / 20;
  if (edge == 0 || edge >= std::min(part.width, part.height)) return mask;
  const double sigma = 0.3 * (static_cast<double>(edge) - 1) + 0.8;
  mask.soft = blur(erode(rectangle, 2 * edge), edge, sigma)[0][0];
  return mask;
}

at::Tensor reference_restore(const at::Tensor& frame, const at::Tensor& face,
                             const Affine& frame_to_aligned, const AlignedSize& size) {
  const auto restored = frame.clone();
  const auto mask =
      reference_mask(frame_to_aligned, size, frame.size(0), frame.size(1), frame.device());
  const Part part{mask.left, mask.top, mask.soft.size(1), mask.soft.size(0)};
  if (part.width == 0 || part.height == 0) return restored;
  const auto aligned = resize_bicubic(face, size.height, size.width).unsqueeze(0);
  const auto map = back_to_frame(frame_to_aligned, size, frame.size(0), frame.size(1));
  const auto warped = (warp_filled(aligned, map, part) / 2 + 0.5).clamp(0, 1) * 255;
  const auto where = restored.slice(0, part.top, part.top + part.height)
                         .slice(1, part.left, part.left + part.width);
  const auto blended =
      mask.soft * (mask.rectangle * warped) + (1 - mask.soft) * planar(where.contiguous());
  where.copy_(blended[0].permute({1, 2, 0}).to(at::kByte));
  return restored;
}

at::Tensor resize_bicubic(const at::Tensor& image, int64_t height, int64_t width) {
  TORCH_CHECK(
      image.dim() == 3 && image.is_floating_point() && image.numel() > 0 && height > 0 && width > 0,
      "resize: the image is [C, H, W] of a floating type and has a size");
  return at::_upsample_bicubic2d_aa(image.unsqueeze(0), {height, width}, false)[0];
}

}  // namespace latentsync::kernels
