#include "core/nn/interruption.h"

#include "core/error.h"
#include "core/nn/attention.h"
#include "core/nn/layers.h"
#include "core/nn/prepare.h"

#include <functional>
#include <stop_token>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

namespace latentsync::nn {
namespace {

template <typename Work>
bool is_cancelled(Work&& work) {
  try {
    std::forward<Work>(work)();
    return false;
  } catch (const Error& error) {
    return error.code() == ErrorCode::kCancelled;
  }
}

// Within the guard a network gives up at its next layer; behind it, and in other guards, it does
// not.
TEST(Interruption, LayersGiveUpWithinTheGuard) {
  const at::NoGradGuard no_grad;
  Linear linear(4, 4);
  Conv2d conv(4, 4), pointwise(4, 4, {.kernel = 1, .padding = 0});
  for (auto* module : std::vector<nn::Module*>{&linear, &conv, &pointwise}) {
    initialise_parameters(*module, 1);
  }
  const auto tokens = at::randn({1, 16, 4}), image = at::randn({1, 4, 4, 4});
  std::stop_source stop;
  const std::vector<std::function<void()>> all = {
      [&] { linear.forward(tokens); },
      [&] { linear.forward_add(tokens, tokens); },
      [&] { conv.forward(image); },
      [&] { conv.forward_add(image, image); },
      [&] { pointwise.forward(image); },
      [&] { pointwise.forward_tokens(tokens); },
      [&] { scaled_dot_product(image, image, image, AttentionMode::kFlash); }};
  {
    const Interruptible guard(stop.get_token());
    for (const auto& layer : all) EXPECT_FALSE(is_cancelled(layer));
    stop.request_stop();
    for (const auto& layer : all) EXPECT_TRUE(is_cancelled(layer));
    const Interruptible inner{std::stop_token()};
    for (const auto& layer : all) EXPECT_FALSE(is_cancelled(layer));
  }
  for (const auto& layer : all) EXPECT_FALSE(is_cancelled(layer));
}

// A layer that takes long goes in parts: they are those of the whole, whatever its memory is like,
// and a stop is answered between two of them.
TEST(Interruption, LongLayersGoInParts) {
  const at::NoGradGuard no_grad;
  constexpr double kLong = 3e11;
  const auto x = at::randn({7, 3, 5, 2}).contiguous(at::MemoryFormat::ChannelsLast);
  std::vector<std::pair<int64_t, int64_t>> parts;
  const auto result = in_parts(7, kLong, c10::kCPU, [&](int64_t begin, int64_t count) {
    parts.emplace_back(begin, count);
    return x.narrow(0, begin, count) * 2;
  });
  EXPECT_EQ(parts, (std::vector<std::pair<int64_t, int64_t>>{{0, 2}, {2, 2}, {4, 2}, {6, 1}}));
  EXPECT_TRUE(result.equal(x * 2));
  EXPECT_TRUE(result.is_contiguous(at::MemoryFormat::ChannelsLast));

  std::stop_source stop;
  const Interruptible guard(stop.get_token());
  int calls = 0;
  EXPECT_TRUE(is_cancelled([&] {
    in_parts(7, kLong, c10::kCPU, [&](int64_t begin, int64_t count) {
      ++calls;
      stop.request_stop();
      return x.narrow(0, begin, count);
    });
  }));
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace latentsync::nn
