#include "core/nn/module.h"

#include "core/nn/layers.h"

#include <stdexcept>
#include <string>
#include <vector>

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

namespace latentsync::nn {
namespace {

struct Block : Module {
  Block() {
    scale = register_parameter("scale", at::ones({2}));
    count = register_buffer("count", at::full({1}, 3, at::kLong));
    linear = register_module("linear", std::make_shared<Linear>(4, 2));
  }
  at::Tensor scale, count;
  std::shared_ptr<Linear> linear;
};

template <typename T>
std::vector<std::string> keys(const Named<T>& named) {
  std::vector<std::string> result;
  for (const auto& item : named) result.push_back(item.key());
  return result;
}

// A module's own tensors come before those of its sub-modules, each under its path; a list's
// missing entry leaves its number out.
TEST(Module, NamesArePaths) {
  ModuleList<Module> list;
  list.push_back(std::make_shared<Block>());
  list.push_back(nullptr);
  list.push_back(std::make_shared<Linear>(2, 2, /*with_bias=*/false));
  EXPECT_EQ(keys(list.named_parameters()),
            (std::vector<std::string>{"0.scale", "0.linear.weight", "0.linear.bias", "2.weight"}));
  EXPECT_EQ(keys(list.named_buffers()), std::vector<std::string>{"0.count"});
  EXPECT_EQ(keys(list.named_modules()), (std::vector<std::string>{"0", "0.linear", "2"}));
  EXPECT_EQ(list.parameters().size(), 4u);
  EXPECT_EQ(list.modules().size(), 3u);
  EXPECT_THROW(list.named_parameters().at("1.weight"), std::out_of_range);
}

// What is registered and the member of the class are one tensor: what a move or a load changes,
// both have.
TEST(Module, MembersFollowAMove) {
  Block block;
  block.to(at::kDouble);
  EXPECT_EQ(block.scale.scalar_type(), at::kDouble);
  EXPECT_EQ(block.linear->weight.scalar_type(), at::kDouble);
  EXPECT_EQ(block.count.scalar_type(), at::kLong);
  block.to(at::kCPU, at::kHalf);
  EXPECT_EQ(block.linear->bias.scalar_type(), at::kHalf);
  EXPECT_EQ(block.count.scalar_type(), at::kLong);
}

TEST(Module, ParametersAreLearntAndBuffersAreNot) {
  const Block block;
  EXPECT_TRUE(block.scale.requires_grad() && block.linear->weight.requires_grad());
  EXPECT_FALSE(block.count.requires_grad());
}

TEST(Module, RefusesANameThatIsTakenOrIsAPath) {
  Block block;
  EXPECT_THROW(block.register_parameter("scale", at::ones({1})), std::invalid_argument);
  EXPECT_THROW(block.register_buffer("linear", at::ones({1})), std::invalid_argument);
  EXPECT_THROW(block.register_module("count", std::make_shared<Block>()), std::invalid_argument);
  EXPECT_THROW(block.register_parameter("linear.weight", at::ones({1})), std::invalid_argument);
  EXPECT_THROW(block.register_parameter("", at::ones({1})), std::invalid_argument);
}

}  // namespace
}  // namespace latentsync::nn
