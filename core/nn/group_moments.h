#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace latentsync::nn {

/// Mean and variance of the groups of channels of pictures, gathered from parts of them.
class GroupMoments {
 public:
  /// Of x [N, C, H, W], each picture's own; groups divides C. Computed in at least float32.
  static GroupMoments of(const at::Tensor& x, int64_t groups);

  /// Takes another part of the same pictures in. Into an empty one: becomes it.
  void add(const GroupMoments& other);

  /// act((x - mean) / sqrt(variance + eps) * weight + bias) for x [N, C, H, W], any part of the
  /// pictures; weight, bias [C]; act = SiLU or identity. Computed in float32, returned in x's
  /// dtype, in its memory where nobody else has it.
  at::Tensor normalise(at::Tensor x, const at::Tensor& weight, const at::Tensor& bias, double eps,
                       bool silu) const;

 private:
  double count_ = 0;       // of a group's values in one picture
  at::Tensor mean_;        // float64 [N, groups]
  at::Tensor deviations_;  // float64 [N, groups], the sum of the squared distances to the mean
};

}  // namespace latentsync::nn
