#pragma once

#include "core/nn/conv_kernel.h"
#include "core/nn/linear_kernel.h"
#include "core/nn/module.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

/// The few layers that all networks here are made of, as modules with the parameter names
/// of PyTorch.
///
/// Parameters are allocated uninitialised: load them (core/model/state_dict.h) or initialise them
/// (core/nn/prepare.h). Activations are [N, C, H, W] in channels-last memory, or [N, tokens, C];
/// both are views of the same storage. Every forward() is differentiable until the weights are
/// packed. One that takes an activation by value lets go of it as soon as it has been read: callers
/// move in what they do not need again, and where nobody else has it and gradients are off, the
/// result may lie in its memory.
namespace latentsync::nn {

/// A layer that computes with a kernel chosen once (core/nn/linear_kernel.h, conv_kernel.h). As it
/// is made it has one that is differentiable and works wherever its weights are moved to.
class Packable {
 public:
  virtual ~Packable() = default;
  /// Chooses the quickest differentiable kernel for the weights where they are now; to be called
  /// again when they have been moved to another device or dtype.
  virtual void choose_for_training() {}
  /// Lays the weights out for inference where they are now: packed for oneDNN on a CPU,
  /// channels-last on a GPU. Where they are packed the dense weight is gone afterwards: the layer
  /// can be neither trained nor saved.
  virtual void pack() = 0;
};

/// y = x W^T + b over the last dimension. weight [out, in], bias [out] (optional).
class Linear : public Module, public Packable {
 public:
  Linear(int64_t in_features, int64_t out_features, bool with_bias = true);
  at::Tensor forward(const at::Tensor& x);
  /// forward(x) + residual; residual has the result's shape.
  at::Tensor forward_add(const at::Tensor& x, const at::Tensor& residual);
  void pack() override;

  at::Tensor weight;
  at::Tensor bias;  ///< undefined without bias

 private:
  std::shared_ptr<const LinearKernel> kernel_;
};

/// 2D convolution. weight [out, in, k, k], bias [out]. x [N, in, H, W]; the result is
/// channels-last.
class Conv2d : public Module, public Packable {
 public:
  using Activation = ConvActivation;

  Conv2d(int64_t in_channels, int64_t out_channels, Conv2dOptions options = {});
  /// activation(conv(x))
  at::Tensor forward(const at::Tensor& x, Activation activation = Activation::kNone);
  /// activation(conv(x) + residual); residual has the result's shape.
  at::Tensor forward_add(const at::Tensor& x, const at::Tensor& residual,
                         Activation activation = Activation::kNone);
  /// A 1x1 convolution on tokens: x [N, tokens, in] -> [N, tokens, out]. Only with kernel 1, stride
  /// 1, no padding.
  at::Tensor forward_tokens(const at::Tensor& x);
  /// forward_tokens(x) + residual.
  at::Tensor forward_tokens_add(const at::Tensor& x, const at::Tensor& residual);
  void choose_for_training() override;
  void pack() override;

  at::Tensor weight;
  at::Tensor bias;

 private:
  bool pointwise() const {
    return options_.kernel == 1 && options_.stride == 1 && options_.padding == 0;
  }
  void multiply_with(std::shared_ptr<const LinearKernel> tokens);

  Conv2dOptions options_;
  std::shared_ptr<const ConvKernel> kernel_;
  std::shared_ptr<const LinearKernel> tokens_;  // the kernel's own; of pointwise ones only
};

/// Group normalisation with an optional SiLU behind it.
class GroupNorm : public Module {
 public:
  GroupNorm(int64_t groups, int64_t channels, double eps);

  /// x [B*F, C, H, W], b-major. frames: F, the consecutive entries that share their statistics; 1:
  /// each its own. shift [B, C]: added to x before the statistics are taken; may be undefined. The
  /// result is channels-last.
  at::Tensor forward(at::Tensor x, int64_t frames = 1, bool silu = false,
                     const at::Tensor& shift = {});

  at::Tensor weight;
  at::Tensor bias;

 private:
  int64_t groups_;
  double eps_;
};

/// Layer normalisation over the last dimension, eps 1e-5.
class LayerNorm : public Module {
 public:
  explicit LayerNorm(int64_t features);
  at::Tensor forward(const at::Tensor& x);

  at::Tensor weight;
  at::Tensor bias;
};

/// A list of modules named "0", "1", …; an entry may be missing (nullptr), its number stays.
template <typename M>
class ModuleList : public Module {
 public:
  void push_back(std::shared_ptr<M> module) {
    if (module) register_module(std::to_string(items_.size()), module);
    items_.push_back(std::move(module));
  }
  const std::shared_ptr<M>& operator[](size_t i) const { return items_[i]; }
  size_t size() const { return items_.size(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

 private:
  std::vector<std::shared_ptr<M>> items_;
};

/// Gives a packed layer's dense weight back; the parameter keeps its name, dtype and device, with
/// no elements.
void release_weight(at::Tensor& weight);

}  // namespace latentsync::nn
