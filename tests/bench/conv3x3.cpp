// Times kernels::conv3x3 beside oneDNN on one thread and writes a table to standard output.
//
//     conv-bench [ROUNDS]      (10)
//
// Forwards as the networks run it: both with weights that are laid out once. There and back as the
// trainer does: a result and the gradients of input and weight. In each round everything runs once,
// by turns; the figures are medians of the thread's processor time.
#include "kernels/conv3x3/conv3x3.h"

#include "core/nn/packed_ops.h"
#include "tests/bench/timing.h"

#include <cstdio>
#include <cstdlib>
#include <functional>

#include <ATen/Parallel.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/randn.h>
#include <torch/csrc/autograd/autograd.h>

namespace latentsync {
namespace {

using bench::Task;

struct Shape {
  int64_t images, in, out, side;
};
// TAESD's at a crop of 256 pixels, then those of the demo model's UNet for 16 frames.
constexpr Shape kShapes[] = {{1, 64, 64, 256}, {1, 64, 64, 128}, {1, 64, 64, 64},
                             {1, 64, 64, 32},  {16, 64, 64, 32}, {16, 128, 64, 32},
                             {16, 64, 64, 16}, {16, 96, 96, 8},  {16, 192, 96, 4}};

void measure(const Shape& shape, int rounds) {
  const auto x = at::randn({shape.images, shape.in, shape.side, shape.side})
                     .contiguous(at::MemoryFormat::ChannelsLast);
  const auto weight = at::randn({shape.out, shape.in, 3, 3}), bias = at::randn({shape.out});
  const auto matrices = kernels::conv3x3_weights(weight);
  const auto packed = nn::packed::pack_conv2d(weight.clone(), 1, 1);
  const auto there_and_back = [&](const auto& network) {
    return [=] {
      const auto input = x.detach().requires_grad_(), weights = weight.detach().requires_grad_();
      const auto y = network(input, weights);
      torch::autograd::grad({y}, {input, weights}, {y.detach()});
    };
  };
  Task ours{[&] { kernels::conv3x3(x, matrices, bias); }, {}};
  Task theirs{[&] { nn::packed::conv2d(x, packed, bias, 1, 1); }, {}};
  Task ours_back{there_and_back([&](const auto& input, const auto& weights) {
                   return kernels::conv3x3_differentiable(input, weights, bias);
                 }),
                 {}};
  Task theirs_back{there_and_back([&](const auto& input, const auto& weights) {
                     return at::conv2d(input, weights, bias, 1, 1);
                   }),
                   {}};
  for (int round = 0; round < rounds; ++round) {
    for (auto* task : {&ours, &theirs, &ours_back, &theirs_back}) task->time();
  }
  const double pairs[][2] = {{ours.median(), theirs.median()},
                             {ours_back.median(), theirs_back.median()}};
  std::printf("| %ld x %ld -> %ld, %ld² |", shape.images, shape.in, shape.out, shape.side);
  for (const auto& [mine, other] : pairs) {
    std::printf(" %.2f | %.2f | %.1f |", mine * 1e3, other * 1e3, other / mine);
  }
  std::printf("\n");
}

}  // namespace
}  // namespace latentsync

int main(int count, char** arguments) {
  const int rounds = count > 1 ? std::atoi(arguments[1]) : 10;
  if (rounds < 1) {
    std::fprintf(stderr, "usage: conv-bench [ROUNDS]\n");
    return 2;
  }
  at::set_num_threads(1);
  std::printf(
      "| images x in -> out, side | ours, ms | oneDNN, ms | ratio | there and back: ours, ms | "
      "oneDNN, ms | ratio |\n| --- | --- | --- | --- | --- | --- | --- |\n");
  for (const auto& shape : latentsync::kShapes) latentsync::measure(shape, rounds);
}
