#include "kernels/conv3x3/conv3x3.h"

#include "kernels/conv3x3/conv3x3_loops.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>

namespace latentsync::kernels {
namespace {

constexpr auto kLast = at::MemoryFormat::ChannelsLast;

// A scratch area of floats that nobody has to clear.
using Scratch = std::unique_ptr<float[]>;
Scratch scratch(int64_t floats) {
  return std::make_unique_for_overwrite<float[]>(static_cast<size_t>(floats));
}

// Tiles that are worked on together: their values stay in the second-level cache.
int64_t tiles_together(int64_t in, int64_t out) {
  constexpr int64_t kBytes = 480 << 10, kRows = 12;
  const int64_t of_a_tile = kConv3x3Values * (in + out) * static_cast<int64_t>(sizeof(float));
  return std::clamp<int64_t>(kBytes / of_a_tile / kRows, 1, 4) * kRows;
}

int64_t part_of(int64_t tiles, int64_t channels) { return tiles * channels + kConv3x3Padding; }

// Images of one size and the tiles that they are cut into.
struct Tiles {
  Conv3x3Image image;
  int64_t count, together;
  int64_t blocks() const { return (count + together - 1) / together; }
  int64_t of_block(int64_t block) const { return std::min(together, count - block * together); }
};

Tiles tiles_of(const at::Tensor& x, int64_t out) {
  const Conv3x3Image image{x.size(2), x.size(3)};
  return {image, x.size(0) * image.across() * image.down(), tiles_together(x.size(1), out)};
}

// The matrices [36, out / 16, in, 16] of a weight [out, in, 3, 3], or of the convolution that
// carries gradients back, from out to in channels.
at::Tensor transformed(const at::Tensor& weight, bool backwards) {
  const auto dense = weight.contiguous();
  const auto out = weight.size(0), in = weight.size(1);
  const auto rows = backwards ? out : in, columns = backwards ? in : out;
  auto made = at::empty({kConv3x3Values, columns / kConv3x3Columns, rows, kConv3x3Columns},
                        dense.options());
  const auto* from = dense.const_data_ptr<float>();
  auto* to = made.mutable_data_ptr<float>();
  at::parallel_for(0, rows, 8, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t c = 0; c < columns; c += kConv3x3Columns) {
        LATENTSYNC_CPU_DISPATCH(conv3x3_weights, from + (backwards ? r * in + c : c * in + r) * 9,
                                9 * (backwards ? 1 : in), backwards, rows * columns,
                                to + c * rows + r * kConv3x3Columns);
      }
    }
  });
  return made;
}

void check(const at::Tensor& x, const at::Tensor& weights, const at::Tensor& bias,
           const at::Tensor& residual) {
  TORCH_CHECK(x.dim() == 4 && x.is_cpu() && x.scalar_type() == at::kFloat,
              "conv3x3: x is float32 [N, in, H, W] on a CPU");
  TORCH_CHECK(weights.dim() == 4 && weights.is_cpu() && weights.scalar_type() == at::kFloat &&
                  weights.is_contiguous() && weights.size(0) == kConv3x3Values &&
                  weights.size(2) == x.size(1) && weights.size(3) == kConv3x3Columns,
              "conv3x3: weights are those of conv3x3_weights() for ", x.size(1), " channels");
  const auto out = weights.size(1) * kConv3x3Columns;
  TORCH_CHECK(!bias.defined() || (bias.sizes() == at::IntArrayRef({out}) && bias.is_cpu() &&
                                  bias.scalar_type() == at::kFloat),
              "conv3x3: bias is float32 [", out, "]");
  TORCH_CHECK(!residual.defined() ||
                  (residual.sizes() == at::IntArrayRef({x.size(0), out, x.size(2), x.size(3)}) &&
                   residual.is_cpu() && residual.scalar_type() == at::kFloat),
              "conv3x3: residual is float32 of the result's shape");
}

// The gradient of a weight [out, in, 3, 3].
at::Tensor weight_gradient(const at::Tensor& x, const at::Tensor& dy) {
  const auto input = x.contiguous(kLast), gradient = dy.contiguous(kLast);
  const auto in = x.size(1), out = dy.size(1);
  const auto tiles = tiles_of(input, out);
  const auto in_part = part_of(tiles.together, in), out_part = part_of(tiles.together, out);
  const auto values = scratch(kConv3x3Values * in_part),
             gradients = scratch(kConv3x3Values * out_part);
  const std::vector<float> zeros(static_cast<size_t>(std::max(in, out)));
  const auto sums = at::zeros({kConv3x3Values, in, out}, input.options());
  auto* to = sums.mutable_data_ptr<float>();
  // Block after block, so that the number of threads does not change the result.
  for (int64_t block = 0; block < tiles.blocks(); ++block) {
    const auto first = block * tiles.together, count = tiles.of_block(block);
    LATENTSYNC_CPU_DISPATCH(conv3x3_inputs, tiles.image, input.const_data_ptr<float>(), in, first,
                            count, zeros.data(), in_part, values.get());
    LATENTSYNC_CPU_DISPATCH(conv3x3_output_gradients, tiles.image, gradient.const_data_ptr<float>(),
                            out, first, count, zeros.data(), out_part, gradients.get());
    const Conv3x3Product product{.rows = in,
                                 .columns = out,
                                 .depth = count,
                                 .a_row = 1,
                                 .a_depth = in,
                                 .b_depth = out,
                                 .b_panel = kConv3x3Columns,
                                 .to_row = out};
    at::parallel_for(0, kConv3x3Values, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        LATENTSYNC_CPU_DISPATCH(conv3x3_multiply, product, values.get() + i * in_part,
                                gradients.get() + i * out_part, true, to + i * in * out);
      }
    });
  }
  auto made = at::empty({out, in, 3, 3}, input.options());
  auto* weight = made.mutable_data_ptr<float>();
  at::parallel_for(0, in, 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t o = 0; o < out; o += kConv3x3Columns) {
        LATENTSYNC_CPU_DISPATCH(conv3x3_weight_gradients, to + i * out + o, in * out, 9 * in,
                                weight + (o * in + i) * 9);
      }
    }
  });
  return made;
}

struct Differentiable : torch::autograd::Function<Differentiable> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
    context->save_for_backward({x, weight});
    context->saved_data["bias"] = bias.has_value();
    return conv3x3(x, transformed(weight, false), bias.value_or(at::Tensor()));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& wanted) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "conv3x3: no second derivative");
    const auto saved = context->get_saved_variables();
    const auto& dy = wanted[0];
    const auto needed = [&](size_t input) { return context->needs_input_grad(input); };
    torch::autograd::variable_list made(3);
    if (needed(0)) made[0] = conv3x3(dy, transformed(saved[1], true), {});
    if (needed(1)) made[1] = weight_gradient(saved[0], dy);
    if (context->saved_data["bias"].toBool() && needed(2)) made[2] = dy.sum({0, 2, 3});
    return made;
  }
};

}  // namespace

bool conv3x3_takes(const at::Tensor& weight) {
  return weight.dim() == 4 && weight.is_cpu() && weight.scalar_type() == at::kFloat &&
         weight.size(2) == 3 && weight.size(3) == 3 && weight.numel() > 0 &&
         weight.size(0) % kConv3x3Columns == 0 && weight.size(1) % kConv3x3Columns == 0;
}

at::Tensor conv3x3_weights(const at::Tensor& weight) {
  TORCH_CHECK(conv3x3_takes(weight),
              "conv3x3: weight is float32 [out, in, 3, 3] on a CPU, of multiples of 16");
  return transformed(weight, false);
}

at::Tensor conv3x3(const at::Tensor& x, const at::Tensor& weights, const at::Tensor& bias,
                   const at::Tensor& residual, bool relu) {
  check(x, weights, bias, residual);
  const auto in = x.size(1), out = weights.size(1) * kConv3x3Columns;
  const auto input = x.contiguous(kLast);
  const auto added = residual.defined() ? residual.contiguous(kLast) : at::Tensor();
  const auto offset = bias.defined() ? bias.contiguous() : at::Tensor();
  const auto y =
      at::empty({x.size(0), out, x.size(2), x.size(3)}, x.options().memory_format(kLast));
  const auto tiles = tiles_of(input, out);
  const auto in_part = part_of(tiles.together, in), out_part = part_of(tiles.together, out);
  const std::vector<float> zeros(static_cast<size_t>(in));
  const auto pointer = [](const at::Tensor& t) {
    return t.defined() ? t.const_data_ptr<float>() : nullptr;
  };
  at::parallel_for(0, tiles.blocks(), 1, [&](int64_t begin, int64_t end) {
    const auto values = scratch(kConv3x3Values * in_part);
    const auto results = scratch(kConv3x3Values * out_part);
    for (int64_t block = begin; block < end; ++block) {
      const auto first = block * tiles.together, count = tiles.of_block(block);
      LATENTSYNC_CPU_DISPATCH(conv3x3_inputs, tiles.image, pointer(input), in, first, count,
                              zeros.data(), in_part, values.get());
      const Conv3x3Product product{.rows = count,
                                   .columns = out,
                                   .depth = in,
                                   .a_row = in,
                                   .a_depth = 1,
                                   .b_depth = kConv3x3Columns,
                                   .b_panel = in * kConv3x3Columns,
                                   .to_row = out};
      for (int64_t i = 0; i < kConv3x3Values; ++i) {
        LATENTSYNC_CPU_DISPATCH(conv3x3_multiply, product, values.get() + i * in_part,
                                pointer(weights) + i * in * out, false,
                                results.get() + i * out_part);
      }
      LATENTSYNC_CPU_DISPATCH(conv3x3_outputs, tiles.image, results.get(), out_part, out, first,
                              count, pointer(offset), pointer(added), relu,
                              y.mutable_data_ptr<float>());
    }
  });
  return y;
}

at::Tensor conv3x3_differentiable(const at::Tensor& x, const at::Tensor& weight,
                                  const at::Tensor& bias) {
  return Differentiable::apply(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
}

}  // namespace latentsync::kernels
