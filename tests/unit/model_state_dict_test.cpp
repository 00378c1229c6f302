#include "core/error.h"
#include "core/model/state_dict.h"
#include "core/nn/layers.h"
#include "tests/support/compare.h"
#include "tests/support/memory_growth.h"
#include "tests/support/pt_writer.h"
#include "tests/support/safetensors_writer.h"
#include "tests/support/temporary_folder.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

namespace latentsync::model {
namespace {

/// weight [2, 3], bias [2], and a buffer of indices [2].
class Layer : public nn::Module {
 public:
  Layer() {
    weight = register_parameter("weight", at::empty({2, 3}));
    bias = register_parameter("bias", at::empty({2}), /*requires_grad=*/false);
    index = register_buffer("index", at::empty({2}, at::kLong));
  }
  at::Tensor weight, bias, index;
};

TensorMap fitting() {
  return {{"weight", at::arange(6, at::kFloat).reshape({2, 3})},
          {"bias", at::ones({2})},
          {"index", at::arange(2, at::kLong)}};
}

void expect_refusal(const TensorMap& source, ErrorCode code,
                    std::initializer_list<std::string> mentions,
                    at::ScalarType dtype = at::kFloat) {
  Layer layer;
  try {
    load_state(layer, source, "/models/x.pt", c10::kCPU, dtype);
    ADD_FAILURE() << "it was loaded";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << message;
    EXPECT_NE(message.find("/models/x.pt"), std::string::npos) << message;
    for (const auto& text : mentions) {
      EXPECT_NE(message.find(text), std::string::npos) << message << " lacks " << text;
    }
  }
}

// Values arrive on the asked device in the asked precision; whole numbers stay what they are, and
// requires_grad stays as it was.
TEST(LoadState, FillsParametersAndBuffers) {
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    Layer layer;
    load_state(layer, fitting(), "x", test::test_device(), dtype);
    EXPECT_EQ(layer.weight.scalar_type(), dtype);
    EXPECT_EQ(layer.weight.device().type(), test::test_device().type());
    EXPECT_TRUE(layer.weight.detach().cpu().to(at::kFloat).equal(fitting().at("weight")));
    EXPECT_TRUE(layer.index.cpu().equal(fitting().at("index")));
    EXPECT_TRUE(layer.weight.requires_grad());
    EXPECT_FALSE(layer.bias.requires_grad());
  }
}

// A module whose weight lies in channels-last memory keeps it there, in every precision.
TEST(LoadState, KeepsTheMemoryFormat) {
  for (const auto dtype : {at::kFloat, at::kHalf}) {
    nn::Conv2d convolution(4, 8);
    convolution.weight.set_data(convolution.weight.contiguous(at::MemoryFormat::ChannelsLast));
    const auto values = at::arange(8 * 4 * 9, at::kFloat).reshape({8, 4, 3, 3});
    load_state(convolution, {{"weight", values}, {"bias", at::ones({8})}}, "x", c10::kCPU, dtype);
    EXPECT_TRUE(convolution.weight.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_TRUE(convolution.weight.detach().to(at::kFloat).equal(values));
  }
}

// A strided tensor (a transposed view in a .pt) is loaded by value.
TEST(LoadState, TakesStridedTensors) {
  Layer layer;
  TensorMap source = fitting();
  source["weight"] = at::arange(6, at::kFloat).reshape({3, 2}).t();
  load_state(layer, source, "x");
  EXPECT_TRUE(layer.weight.detach().equal(source["weight"]));
}

// The module's parameters are its own: changing one leaves the source alone.
TEST(LoadState, SharesNothingWithTheSource) {
  Layer layer;
  const TensorMap source = fitting();
  load_state(layer, source, "x");
  layer.bias.fill_(5);
  EXPECT_EQ(source.at("bias")[0].item<float>(), 1);
}

// A tensor of the module itself, a buffer that the file lacks, say, keeps its values in every
// precision and on every device.
TEST(LoadState, TakesTheModulesOwnTensors) {
  Layer layer;
  load_state(layer, fitting(), "x");
  TensorMap own = fitting();
  own["weight"] = layer.named_parameters().at("weight");
  load_state(layer, own, "x", test::test_device(), at::kHalf);
  EXPECT_TRUE(layer.weight.detach().cpu().to(at::kFloat).equal(fitting().at("weight")));
}

// What does not fit is refused with the file, the tensor and both shapes.
TEST(LoadState, RefusesWhatDoesNotFit) {
  TensorMap source = fitting();
  source.erase("weight");
  expect_refusal(source, ErrorCode::kForeignModel, {"\"weight\"", "[2, 3]"});
  source["weight"] = at::ones({3, 2});
  expect_refusal(source, ErrorCode::kForeignModel, {"\"weight\"", "[2, 3]", "[3, 2]"});
  source["weight"] = at::ones({2, 3}, at::kLong);
  expect_refusal(source, ErrorCode::kForeignModel, {"\"weight\"", "[2, 3]", "Long"});
  source = fitting();
  source["index"] = at::ones({2});
  expect_refusal(source, ErrorCode::kForeignModel, {"\"index\"", "Long", "Float"});
  source = fitting();
  source["extra"] = at::ones({4, 5});
  expect_refusal(source, ErrorCode::kForeignModel, {"\"extra\"", "[4, 5]"});
}

// NaN and infinity are refused in every element type, wherever they stand.
TEST(LoadState, RefusesValuesThatAreNotFinite) {
  for (const auto type : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16}) {
    for (const double value :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
          -std::numeric_limits<double>::infinity()}) {
      TensorMap source = fitting();
      source["weight"] = source["weight"].to(type);
      source["weight"][1][2].fill_(value);
      expect_refusal(source, ErrorCode::kForeignModel, {"\"weight\"", "[2, 3]", "NaN"});
    }
  }
}

// A value that float16 cannot hold is refused for float16 only; the largest that it can is loaded.
TEST(LoadState, RefusesValuesTooLargeForThePrecision) {
  TensorMap source = fitting();
  source["weight"][0][0] = 65519.0;
  Layer layer;
  EXPECT_NO_THROW(load_state(layer, source, "x", c10::kCPU, at::kHalf));
  source["weight"][0][0] = 65520.0;
  expect_refusal(source, ErrorCode::kUnsupported, {"\"weight\"", "Half"}, at::kHalf);
  EXPECT_NO_THROW(load_state(layer, source, "x", c10::kCPU, at::kBFloat16));
}

// Nothing is changed when the names or shapes do not fit.
TEST(LoadState, ChangesNothingWhenItRefuses) {
  Layer layer;
  layer.bias.fill_(7);
  TensorMap source = fitting();
  source.erase("weight");
  EXPECT_THROW(load_state(layer, source, "x"), Error);
  EXPECT_EQ(layer.bias[0].item<float>(), 7);
}

struct Many : nn::Module {
  static constexpr int64_t kTensors = 12;
  static constexpr int64_t kElements = 4 << 20;  // 16 MiB each, 192 MiB in all

  Many() {
    for (int64_t i = 0; i < kTensors; ++i) {
      register_parameter("w" + std::to_string(i), at::empty({kElements}), false);
    }
  }
};

/// How far the resident memory rises, at its peak, while the file is opened and loaded.
int64_t peak_of_loading(const std::filesystem::path& path, const std::string& prefix) {
  Many module;
  const test::MemoryGrowth memory;
  auto file = open_tensor_file(path);
  TensorMap tensors;
  for (const auto& [name, tensor] : file.tensors) {
    tensors.emplace(name.substr(prefix.size()), tensor);
  }
  file.tensors.clear();
  load_state(module, std::move(tensors), path.string());
  return memory.peak();
}

// Loading needs the model's size and little more: the file's pages are given back on the way.
TEST(LoadState, NeedsTheModelsSizeAndLittleMore) {
  const test::TemporaryFolder folder;
  std::vector<test::TensorSpec> specs;
  for (int64_t i = 0; i < Many::kTensors; ++i) {
    specs.push_back({"w" + std::to_string(i), {Many::kElements}});
  }
  const auto source = [](const test::TensorSpec& spec) { return at::full(spec.shape, 0.5); };
  test::write_safetensors(folder / "a.safetensors", specs, source);
  test::write_torch_file(folder / "a.pt", specs, source, {.state_key = "state_dict"});
  const int64_t size = Many::kTensors * Many::kElements * 4;
  const int64_t margin = 64 << 20;
  EXPECT_LT(peak_of_loading(folder / "a.safetensors", ""), size + margin);
  EXPECT_LT(peak_of_loading(folder / "a.pt", "state_dict."), size + margin);
}

}  // namespace
}  // namespace latentsync::model
