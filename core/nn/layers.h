#pragma once

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

/// The few layers that all networks here are made of, as torch::nn modules with the parameter names
/// of PyTorch.
///
/// Parameters are allocated uninitialised: load them (core/model/state_dict.h) or call
/// reset_parameters(). Activations are [N, C, H, W] in channels-last memory or [N, tokens, C]; both
/// share storage without a copy.
namespace latentsync::nn {

/// y = x W^T + b over the last dimension. weight [out, in], bias [out] (optional).
class Linear : public torch::nn::Module {
 public:
  Linear(int64_t in_features, int64_t out_features, bool with_bias = true);
  at::Tensor forward(const at::Tensor& x);

  at::Tensor weight;
  at::Tensor bias;  ///< undefined without bias
};

struct Conv2dOptions {
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t padding = 1;
  bool bias = true;
};

/// 2D convolution. weight [out, in, k, k], bias [out]. x [N, in, H, W]; the result is
/// channels-last.
class Conv2d : public torch::nn::Module {
 public:
  Conv2d(int64_t in_channels, int64_t out_channels, Conv2dOptions options = {});
  at::Tensor forward(const at::Tensor& x);

  at::Tensor weight;
  at::Tensor bias;

 private:
  Conv2dOptions options_;
};

/// Group normalisation with an optional SiLU behind it.
/// `frames`: consecutive batch entries that share their statistics ([B*F, C, H, W], b-major); 1:
/// each its own.
class GroupNorm : public torch::nn::Module {
 public:
  GroupNorm(int64_t groups, int64_t channels, double eps);
  at::Tensor forward(const at::Tensor& x, int64_t frames = 1, bool silu = false);

  at::Tensor weight;
  at::Tensor bias;

 private:
  int64_t groups_;
  double eps_;
};

/// Layer normalisation over the last dimension, eps 1e-5.
class LayerNorm : public torch::nn::Module {
 public:
  explicit LayerNorm(int64_t features);
  at::Tensor forward(const at::Tensor& x);

  at::Tensor weight;
  at::Tensor bias;
};

}  // namespace latentsync::nn
