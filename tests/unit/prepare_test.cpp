#include "core/nn/prepare.h"

#include "core/nn/layers.h"
#include "core/nn/packed_ops.h"
#include "tests/support/memory_growth.h"

#include <cstdint>
#include <memory>

#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

namespace latentsync::nn {
namespace {

// Packing gives the dense weights back on the way, also where glibc has them in its heap.
TEST(PrepareForInference, HoldsNoNetworkTwice) {
  if (!packed::available(c10::kCPU, at::kFloat)) GTEST_SKIP() << "nothing is packed here";
  // glibc maps large blocks one by one until the first is freed; from then on they lie in the heap.
  at::empty({30 << 20}, at::kByte);
  ModuleList<Linear> layers;
  constexpr int64_t kWidth = 1536;
  constexpr int64_t kLayers = 32;
  constexpr int64_t kBytes = kLayers * kWidth * kWidth * 4;  // 288 MiB
  for (int64_t i = 0; i < kLayers; ++i) layers.push_back(std::make_shared<Linear>(kWidth, kWidth));
  initialise_parameters(layers, 1);

  const test::MemoryGrowth memory;
  prepare_for_inference(layers);
  EXPECT_LT(memory.peak(), kBytes / 2);
  EXPECT_LT(memory.now(), kBytes / 8);
}

}  // namespace
}  // namespace latentsync::nn
