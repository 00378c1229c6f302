#include "core/nn/taesd.h"

#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/upsample_nearest2d.h>

namespace latentsync::nn {
namespace {

constexpr int64_t kImageChannels = 3;
constexpr int64_t kLatentChannels = 4;
constexpr int64_t kWidth = 64;

std::shared_ptr<Conv2d> conv(int64_t in, int64_t out) { return std::make_shared<Conv2d>(in, out); }

std::shared_ptr<Conv2d> conv_without_bias(int64_t stride) {
  return std::make_shared<Conv2d>(kWidth, kWidth, Conv2dOptions{.stride = stride, .bias = false});
}

}  // namespace

TaesdBlock::TaesdBlock(int64_t channels) {
  const auto row = register_module("conv", std::make_shared<Module>());
  first_ = row->register_module("0", conv(channels, channels));
  second_ = row->register_module("2", conv(channels, channels));
  third_ = row->register_module("4", conv(channels, channels));
}

at::Tensor TaesdBlock::forward(const at::Tensor& x) {
  constexpr auto kRelu = Conv2d::Activation::kRelu;
  const auto inner = second_->forward(first_->forward(x, kRelu), kRelu);
  return third_->forward_add(inner, x, kRelu);
}

void TaesdLayers::append(std::shared_ptr<Conv2d> conv) {
  layers_.emplace_back(register_module(std::to_string(layers_.size()), std::move(conv)));
}

void TaesdLayers::append(std::shared_ptr<TaesdBlock> block) {
  layers_.emplace_back(register_module(std::to_string(layers_.size()), std::move(block)));
}

void TaesdLayers::append(Function function) { layers_.emplace_back(function); }

void TaesdLayers::append_blocks(int count) {
  for (int i = 0; i < count; ++i) append(std::make_shared<TaesdBlock>(kWidth));
}

at::Tensor TaesdLayers::forward(at::Tensor x) {
  for (const auto& layer : layers_) {
    if (const auto* function = std::get_if<Function>(&layer)) {
      switch (*function) {
        case Function::kSoftClamp:
          x = 3 * at::tanh(x / 3);
          break;
        case Function::kRelu:
          x = at::relu(x);
          break;
        case Function::kDoubleSize:
          x = at::upsample_nearest2d(x, {x.size(2) * 2, x.size(3) * 2});
          break;
      }
    } else if (const auto* block = std::get_if<std::shared_ptr<TaesdBlock>>(&layer)) {
      x = (*block)->forward(x);
    } else {
      x = std::get<std::shared_ptr<Conv2d>>(layer)->forward(x);
    }
  }
  return x;
}

TaesdEncoder::TaesdEncoder() {
  append(conv(kImageChannels, kWidth));
  append_blocks(1);
  for (int level = 0; level < 3; ++level) {
    append(conv_without_bias(/*stride=*/2));
    append_blocks(3);
  }
  append(conv(kWidth, kLatentChannels));
}

TaesdDecoder::TaesdDecoder() {
  append(Function::kSoftClamp);
  append(conv(kLatentChannels, kWidth));
  append(Function::kRelu);
  for (int level = 0; level < 3; ++level) {
    append_blocks(3);
    append(Function::kDoubleSize);
    append(conv_without_bias(/*stride=*/1));
  }
  append_blocks(1);
  append(conv(kWidth, kImageChannels));
}

Taesd::Taesd() {
  encoder_ = register_module("encoder", std::make_shared<TaesdEncoder>());
  decoder_ = register_module("decoder", std::make_shared<TaesdDecoder>());
}

at::Tensor Taesd::encode_batch(const at::Tensor& images, const at::Tensor&, int64_t) {
  return encoder_->forward(images * 0.5 + 0.5);
}

at::Tensor Taesd::decode_batch(const at::Tensor& scaled_latents, int64_t) {
  return decoder_->forward(scaled_latents) * 2 - 1;
}

}  // namespace latentsync::nn
