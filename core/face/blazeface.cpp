#include "core/face/blazeface.h"

#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/upsample_bilinear2d.h>

namespace latentsync::face {
namespace {

constexpr int64_t kImageChannels = 3;

// [N, anchors_per_cell * values, H, W] -> [N, H * W * anchors_per_cell, values].
at::Tensor by_anchor(const at::Tensor& x, int64_t values) {
  return x.permute({0, 2, 3, 1}).reshape({x.size(0), -1, values});
}

}  // namespace

BlazeFaceShortRange::BlazeFaceShortRange() {
  constexpr int64_t kStemChannels = 24;
  struct Step {
    int64_t channels;
    int64_t stride = 1;
  };
  constexpr Step kSteps[] = {{24}, {28}, {32, 2}, {36},    {42}, {48, 2}, {56}, {64},
                             {72}, {80}, {88},    {96, 2}, {96}, {96},    {96}, {96}};
  const ConvolutionOptions stem{.kernel = 5, .stride = 2, .padding = same_padding(5, 2)};
  stem_ =
      register_module("stem", std::make_shared<Convolution>(kImageChannels, kStemChannels, stem));
  blocks_ = register_module("blocks", std::make_shared<nn::ModuleList<SeparableBlock>>());
  int64_t channels = kStemChannels;
  for (const auto& step : kSteps) {
    blocks_->push_back(std::make_shared<SeparableBlock>(channels, step.channels, step.stride,
                                                        /*parametric=*/false));
    channels = step.channels;
  }
  const auto fine = grids()[0].anchors_per_cell;
  const auto coarse = grids()[1].anchors_per_cell;
  scores_16_ = register_module("scores_16", pointwise(kSteps[kFineBlock].channels, fine));
  scores_8_ = register_module("scores_8", pointwise(channels, coarse));
  boxes_16_ =
      register_module("boxes_16", pointwise(kSteps[kFineBlock].channels, fine * kBoxValues));
  boxes_8_ = register_module("boxes_8", pointwise(channels, coarse * kBoxValues));
}

BlazeFace::Candidates BlazeFaceShortRange::forward(const at::Tensor& images) {
  auto x = at::relu(stem_->forward(images));
  at::Tensor fine;
  for (size_t i = 0; i < blocks_->size(); ++i) {
    x = (*blocks_)[i]->forward(x);
    if (i == kFineBlock) fine = x;
  }
  const auto boxes = at::cat({by_anchor(boxes_16_->forward(fine), kBoxValues),
                              by_anchor(boxes_8_->forward(x), kBoxValues)},
                             1);
  const auto logits =
      at::cat({by_anchor(scores_16_->forward(fine), 1), by_anchor(scores_8_->forward(x), 1)}, 1);
  return {boxes, logits.squeeze(2)};
}

SeparableConvolution::SeparableConvolution(int64_t in_channels, int64_t out_channels,
                                           int64_t stride) {
  depthwise_ = register_module("depthwise", depthwise(in_channels, stride, {1, 1}));
  pointwise_ = register_module("pointwise", pointwise(in_channels, out_channels));
}

at::Tensor SeparableConvolution::forward(const at::Tensor& x) {
  return pointwise_->forward(depthwise_->forward(x));
}

at::Tensor SeparableConvolution::forward_add(const at::Tensor& x, const at::Tensor& residual) {
  return pointwise_->forward_add(depthwise_->forward(x), residual);
}

Bottleneck::Bottleneck(int64_t in_channels, int64_t middle_channels, int64_t out_channels,
                       int64_t stride)
    : residual_(in_channels == out_channels && stride == 1) {
  reduce_ = register_module(
      "reduce", std::make_shared<SeparableConvolution>(in_channels, middle_channels, stride));
  expand_ = register_module(
      "expand", std::make_shared<SeparableConvolution>(middle_channels, out_channels, 1));
}

at::Tensor Bottleneck::forward(const at::Tensor& x) {
  const auto middle = at::relu(reduce_->forward(x));
  return at::relu(residual_ ? expand_->forward_add(middle, x) : expand_->forward(middle));
}

SpreadHead::SpreadHead(int64_t in_channels, int64_t values) : values_(values) {
  pointwise_ = register_module("pointwise", pointwise(in_channels, 4 * values));
  depthwise_ = register_module("depthwise", depthwise(4 * values, /*stride=*/2, {1, 1}));
}

at::Tensor SpreadHead::forward(const at::Tensor& x) {
  const auto coarse = depthwise_->forward(pointwise_->forward(x));
  const auto batch = coarse.size(0), height = coarse.size(2), width = coarse.size(3);
  // Channels are (row in the field, column in the field, value).
  return coarse.reshape({batch, 2, 2, values_, height, width})
      .permute({0, 4, 1, 5, 2, 3})
      .reshape({batch, 4 * height * width, values_});
}

BlazeFaceFullRange::BlazeFaceFullRange() {
  struct Level {
    size_t blocks;
    int64_t channels, middle;
    size_t up_blocks;
    int64_t up_channels;
  };
  // The finest level is not reached on the way up; the coarsest is where that way begins.
  constexpr Level kLevel[kLevels] = {{2, 32, 8, 0, 0},
                                     {3, 64, 16, 1, 48},
                                     {3, 128, 32, 2, 64},
                                     {3, 192, 48, 2, 96},
                                     {4, 384, 96, 0, 96}};
  const auto child = [this](const char* name) {
    return register_module(name, std::make_shared<nn::Module>());
  };
  const auto down = child("down"), up = child("up"), lateral = child("lateral"),
             narrow = child("narrow");

  stem_ = register_module("stem", std::make_shared<Convolution>(kImageChannels, kLevel[0].channels,
                                                                ConvolutionOptions{.stride = 2}));
  for (size_t i = 0; i < kLevels; ++i) {
    const auto& level = kLevel[i];
    const auto number = std::to_string(i);
    down_[i] = down->register_module(number, std::make_shared<Row>());
    for (size_t b = 0; b < level.blocks; ++b) {
      const bool enters = b == 0 && i > 0;
      down_[i]->push_back(std::make_shared<Bottleneck>(
          enters ? kLevel[i - 1].channels : level.channels, level.middle, level.channels,
          /*stride=*/enters ? 2 : 1));
    }
    if (i > 0) {
      lateral_[i] = lateral->register_module(number, pointwise(level.channels, level.up_channels));
    }
    if (level.up_blocks == 0) continue;
    up_[i] = up->register_module(number, std::make_shared<Row>());
    for (size_t b = 0; b < level.up_blocks; ++b) {
      up_[i]->push_back(std::make_shared<Bottleneck>(level.up_channels, level.up_channels / 2,
                                                     level.up_channels));
    }
    if (i > 1) {
      narrow_[i] =
          narrow->register_module(number, pointwise(level.up_channels, kLevel[i - 1].up_channels));
    }
  }
  scores_ = register_module("scores", std::make_shared<SpreadHead>(kLevel[1].up_channels, 1));
  boxes_ =
      register_module("boxes", std::make_shared<SpreadHead>(kLevel[1].up_channels, kBoxValues));
}

BlazeFace::Candidates BlazeFaceFullRange::forward(const at::Tensor& images) {
  const auto run = [](const Row& row, at::Tensor x) {
    for (const auto& block : row) x = block->forward(x);
    return x;
  };
  std::array<at::Tensor, kLevels> skipped;
  auto x = at::relu(stem_->forward(images));
  for (size_t i = 0; i < kLevels; ++i) {
    x = run(*down_[i], x);
    if (lateral_[i]) skipped[i] = at::relu(lateral_[i]->forward(x));
  }
  x = skipped[kLevels - 1];
  for (size_t i = kLevels - 2; i > 0; --i) {
    const auto& skip = skipped[i];
    x = at::upsample_bilinear2d(x, {skip.size(2), skip.size(3)}, /*align_corners=*/false) + skip;
    x = run(*up_[i], x);
    if (narrow_[i]) x = at::relu(narrow_[i]->forward(x));
  }
  return {boxes_->forward(x), scores_->forward(x).squeeze(2)};
}

}  // namespace latentsync::face
