#pragma once

#include "core/face/geometry.h"

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace latentsync::face {

/// What lies outside the picture.
enum class Outside {
  kEdge,   ///< the nearest pixel of the picture
  kBlack,  ///< zeros
};

/// A picture that can be looked at through rotated squares, whatever its pixel format.
class FrameSampler {
 public:
  virtual ~FrameSampler() = default;
  virtual int64_t width() const = 0;
  virtual int64_t height() const = 0;
  /// [1, 3, edge, edge] float32 RGB in [0, 1]: pixel (row i, column j) shows the place ((j + 0.5) /
  /// edge, (i + 0.5) / edge) of the square, resampled bilinearly and antialiased where it shrinks.
  virtual at::Tensor sample(const RotatedSquare& square, int64_t edge, Outside outside) const = 0;
  /// The same of a square that the device has (core/face/device_square.h), where the samples lie;
  /// unless is_usable() of it, the view has values that mean nothing. Here the host reads it back.
  virtual at::Tensor sample_at(const at::Tensor& square, int64_t edge, Outside outside) const;
};

/// Throws Error kInvalidArgument unless the square and the view's edge are positive and finite.
void check_square(const RotatedSquare& square, int64_t edge);

/// An RGB picture [3, H, W], float in [0, 1] or uint8, on any device; the samples lie on the same.
/// Errors: kInvalidArgument for another shape or type.
class TensorSampler : public FrameSampler {
 public:
  explicit TensorSampler(at::Tensor picture);
  int64_t width() const override { return picture_.size(2); }
  int64_t height() const override { return picture_.size(1); }
  at::Tensor sample(const RotatedSquare& square, int64_t edge, Outside outside) const override;

 private:
  at::Tensor picture_;
};

}  // namespace latentsync::face
