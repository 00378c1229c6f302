#include "core/device/weight_stream.h"

#include "tests/device/test_device.h"

#include <memory>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

namespace latentsync::device {
namespace {

// A block with a matrix, a filter in channels-last memory and a buffer, of its own size each.
struct TestBlock : nn::Module {
  explicit TestBlock(int64_t width) {
    const c10::InferenceMode no_inference(false);  // as networks are loaded
    const auto options = at::TensorOptions(at::kFloat).device(test_device());
    // Integers, whose sums are the same on every device.
    const auto values = [&](at::IntArrayRef sizes) { return at::randint(-9, 9, sizes, options); };
    matrix = register_parameter("matrix", values({width, 8}), false);
    filter = register_parameter(
        "filter", values({width, 4, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast), false);
    buffer = register_buffer("buffer", values({3}));
    empty = register_parameter("empty", at::empty({0}, options), false);
  }
  double sum() const { return (matrix.sum() + filter.sum() * 2 + buffer.sum() * 3).item<double>(); }

  at::Tensor matrix, filter, buffer, empty;
};

using Blocks = std::vector<std::shared_ptr<TestBlock>>;

Blocks make_blocks(int64_t count) {
  Blocks blocks;
  for (int64_t i = 0; i < count; ++i) blocks.push_back(std::make_shared<TestBlock>(16 + 16 * i));
  return blocks;
}

std::vector<std::vector<at::Tensor>> weights_of_all(const Blocks& blocks) {
  std::vector<std::vector<at::Tensor>> weights;
  for (const auto& block : blocks) weights.push_back(weights_of(*block));
  return weights;
}

std::vector<double> sums(const Blocks& blocks, WeightStream* stream = nullptr) {
  std::vector<double> sums;
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (stream != nullptr) stream->before(i);
    sums.push_back(blocks[i]->sum());
  }
  return sums;
}

int64_t bytes_of(const Blocks& blocks) {
  int64_t bytes = 0;
  for (const auto& block : blocks) bytes += WeightLayout(weights_of(*block)).bytes();
  return bytes;
}

// Weights keep their values, strides and types when they become parts of other memory.
TEST(DeviceWeightLayout, WeightsKeepTheirLayout) {
  in_task([] {
    TestBlock block(16);
    const double before = block.sum();
    const auto strides = block.filter.strides().vec();
    WeightLayout layout(weights_of(block));
    const auto memory = host_memory(layout.bytes(), test_device());
    layout.copy_to(memory);
    layout.place_in(memory);
    EXPECT_EQ(block.sum(), before);
    EXPECT_EQ(block.filter.strides().vec(), strides);
    EXPECT_TRUE(block.filter.storage().is_alias_of(memory.storage()));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block.filter.data_ptr()) % 64, 0U);
    memory.zero_();
    EXPECT_EQ(block.sum(), 0);
  });
}

// Also of a view with gaps, which cannot be copied as it lies.
TEST(DeviceWeightLayout, ViewsBecomeDense) {
  in_task([] {
    const c10::InferenceMode no_inference(false);
    const auto weight = at::randn({4, 8}).narrow(1, 0, 3);
    const auto values = weight.clone();
    WeightLayout layout({weight});
    const auto memory = host_memory(layout.bytes(), test_device());
    layout.copy_to(memory);
    layout.place_in(memory);
    EXPECT_TRUE(weight.equal(values));
    EXPECT_TRUE(weight.is_contiguous());
  });
}

// A streamed network gives what it gave before, evaluation after evaluation, for odd and even
// numbers of blocks, with memory for two blocks at most.
TEST(DeviceWeightStream, ResultsAreEqual) {
  in_task([] {
    for (const int64_t count : {1, 2, 3, 8}) {
      const auto blocks = make_blocks(count);
      const auto expected = sums(blocks);
      const auto all = bytes_of(blocks);
      WeightStream stream(weights_of_all(blocks), test_device());
      for (int i = 0; i < 3; ++i) EXPECT_EQ(sums(blocks, &stream), expected) << count;
      const auto largest = bytes_of({blocks.back()});
      EXPECT_LE(stream.device_bytes(), 2 * largest);
      EXPECT_TRUE(count <= 2 || stream.device_bytes() < all);
    }
  });
}

// An evaluation that ends early leaves the next one its weights.
TEST(DeviceWeightStream, AnEvaluationMayEndEarly) {
  in_task([] {
    const auto blocks = make_blocks(5);
    const auto expected = sums(blocks);
    WeightStream stream(weights_of_all(blocks), test_device());
    for (size_t last = 0; last < blocks.size(); ++last) {
      for (size_t i = 0; i <= last; ++i) stream.before(i);
      EXPECT_EQ(sums(blocks, &stream), expected) << last;
    }
  });
}

// The next block is on its way when one is evaluated.
TEST(DeviceWeightStream, TheNextBlockIsFetched) {
  in_task([] {
    const auto blocks = make_blocks(4);
    const auto expected = sums(blocks);
    WeightStream stream(weights_of_all(blocks), test_device());
    stream.before(0);
    EXPECT_EQ(blocks[1]->sum(), expected[1]);
    stream.before(3);
    EXPECT_EQ(blocks[0]->sum(), expected[0]);
  });
}

// Numbers behind the last block are those of parts that stay on the device.
TEST(DeviceWeightStream, OtherBlocksAreIgnored) {
  in_task([] {
    const auto blocks = make_blocks(2);
    WeightStream stream(weights_of_all(blocks), test_device());
    stream.before(2);
    EXPECT_EQ(stream.device_bytes(), 0);
    stream.before(0);
    stream.before(2);
    EXPECT_EQ(stream.device_bytes(), bytes_of(blocks));
  });
}

// Between two evaluations the device's memory can be given back.
TEST(DeviceWeightStream, ItCanBeParked) {
  in_task([] {
    const auto blocks = make_blocks(3);
    const auto expected = sums(blocks);
    WeightStream stream(weights_of_all(blocks), test_device());
    EXPECT_EQ(sums(blocks, &stream), expected);
    stream.park();
    EXPECT_EQ(stream.device_bytes(), 0);
    EXPECT_EQ(sums(blocks), expected);
    EXPECT_EQ(sums(blocks, &stream), expected);
  });
}

// When the stream ends, the network is whole again and independent of it.
TEST(DeviceWeightStream, ItCanBeEnded) {
  in_task([] {
    const auto blocks = make_blocks(3);
    const auto expected = sums(blocks);
    {
      WeightStream stream(weights_of_all(blocks), test_device());
      stream.before(1);
      stream.end();
      EXPECT_EQ(stream.device_bytes(), 0);
    }
    EXPECT_EQ(sums(blocks), expected);
  });
}

// A parked network takes memory of the device only when it has been brought there.
TEST(DeviceParkedWeights, TheyComeAndGo) {
  in_task([] {
    TestBlock block(16);
    const double before = block.sum();
    ParkedWeights parked(weights_of(block), test_device());
    EXPECT_EQ(parked.device_bytes(), 0);
    EXPECT_EQ(block.sum(), before);
    for (int i = 0; i < 2; ++i) {
      parked.bring();
      parked.bring();
      EXPECT_GT(parked.device_bytes(), 0);
      EXPECT_EQ(block.sum(), before);
      parked.park();
      EXPECT_EQ(parked.device_bytes(), 0);
      EXPECT_EQ(block.sum(), before);
    }
  });
}

}  // namespace
}  // namespace latentsync::device
