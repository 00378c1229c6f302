#pragma once

#include "core/nn/layers.h"
#include "core/nn/memory_options.h"

#include <cstdint>
#include <memory>

namespace latentsync::nn {

/// The first half of a GEGLU feed-forward: proj gives values and gates; the result is values *
/// gelu(gates), exact GELU. Parameters: proj.weight [2 inner, dim] (values first), proj.bias [2
/// inner].
class GatedProjection : public Module, public Packable {
 public:
  GatedProjection(int64_t dim, int64_t inner);
  at::Tensor forward(at::Tensor x);  ///< [..., dim] -> [..., inner]
  void pack() override;

 private:
  class Kernel;
  class Dense;
  class Packed;

  std::shared_ptr<Linear> proj_;
  std::shared_ptr<const Kernel> kernel_;
};

/// GEGLU feed-forward with the parameter names net.0.proj and net.2; inner width 4 dim.
class FeedForward : public Module {
 public:
  explicit FeedForward(int64_t dim);
  /// x [N, tokens, dim]; returns the feed-forward of x, plus residual. In chunks the result takes
  /// the residual's memory where nobody else has it.
  at::Tensor forward(at::Tensor x, at::Tensor residual, const MemoryOptions& memory = {});

 private:
  at::Tensor forward_rows(at::Tensor x, const at::Tensor& residual);

  std::shared_ptr<GatedProjection> gate_;
  std::shared_ptr<Linear> out_;
};

}  // namespace latentsync::nn
