#include "core/nn/group_moments.h"

#include "core/nn/in_place.h"

#include <tuple>

#include <ATen/TensorOperators.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/var_mean.h>

namespace latentsync::nn {

GroupMoments GroupMoments::of(const at::Tensor& x, int64_t groups) {
  const auto grouped = x.unflatten(1, {groups, x.size(1) / groups});
  const auto [variance, mean] = at::var_mean(grouped, at::OptionalIntArrayRef({2, 3, 4}),
                                             /*correction=*/at::Scalar(0), /*keepdim=*/false);
  GroupMoments moments;
  moments.count_ = static_cast<double>(x.numel()) / static_cast<double>(mean.numel());
  moments.mean_ = mean.to(at::kDouble);
  moments.deviations_ = variance.to(at::kDouble) * moments.count_;
  return moments;
}

// Chan's formula.
void GroupMoments::add(const GroupMoments& other) {
  if (count_ == 0) {
    *this = other;
    return;
  }
  const double count = count_ + other.count_;
  const auto distance = other.mean_ - mean_;
  deviations_ =
      deviations_ + other.deviations_ + distance * distance * (count_ * other.count_ / count);
  mean_ = mean_ + distance * (other.count_ / count);
  count_ = count;
}

at::Tensor GroupMoments::normalise(at::Tensor x, const at::Tensor& weight, const at::Tensor& bias,
                                   double eps, bool silu) const {
  const int64_t channels = x.size(1);
  // [N, groups] or [C] as [N or 1, C, 1, 1] in float32.
  const auto by_channel = [&](const at::Tensor& of_groups) {
    return of_groups.repeat_interleave(channels / of_groups.size(1), 1)
        .to(at::kFloat)
        .unsqueeze(-1)
        .unsqueeze(-1);
  };
  const auto scale = by_channel(at::rsqrt(deviations_ / count_ + eps)) *
                     weight.to(at::kFloat).unsqueeze(-1).unsqueeze(-1);
  const auto dtype = x.scalar_type();
  auto y = x.to(at::kFloat);  // x itself where it is that already
  x.reset();
  const auto mean = by_channel(mean_);
  y = may_overwrite(y) ? y.sub_(mean) : at::sub(y, mean);
  y.mul_(scale).add_(bias.to(at::kFloat).unsqueeze(-1).unsqueeze(-1));
  if (silu) at::silu_(y);
  return y.to(dtype);
}

}  // namespace latentsync::nn
