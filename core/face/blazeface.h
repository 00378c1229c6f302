#pragma once

#include "core/face/layers.h"
#include "core/nn/module.h"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::face {

/// BlazeFace (https://arxiv.org/abs/1907.05047) as MediaPipe publishes it: one candidate box for
/// every anchor of a fixed grid. Runs in float32. Weights: models/face.
class BlazeFace : public nn::Module {
 public:
  /// Numbers of a candidate: box centre x, y, width, height, and six key points x, y.
  static constexpr int64_t kBoxValues = 16;

  /// Anchors, row by row: CELLS x CELLS places, the same number in each.
  struct Grid {
    int64_t cells = 0;
    int64_t anchors_per_cell = 0;
  };

  /// Positions are in pixels of the input, relative to the anchor.
  struct Candidates {
    at::Tensor boxes;   ///< [N, anchors, kBoxValues]
    at::Tensor logits;  ///< [N, anchors]
  };

  /// images [N, 3, S, S] RGB in [-1, 1], S = input_size().
  virtual Candidates forward(const at::Tensor& images) = 0;
  virtual int64_t input_size() const = 0;
  /// In the order of the candidates.
  virtual std::vector<Grid> grids() const = 0;
};

/// For faces that fill a good part of the picture; 896 anchors. Weights:
/// face_detection_short_range.safetensors.
class BlazeFaceShortRange : public BlazeFace {
 public:
  BlazeFaceShortRange();
  Candidates forward(const at::Tensor& images) override;
  int64_t input_size() const override { return 128; }
  std::vector<Grid> grids() const override { return {{16, 2}, {8, 6}}; }

 private:
  /// The last block of the finer grid: 16 x 16 places.
  static constexpr size_t kFineBlock = 10;

  std::shared_ptr<Convolution> stem_;
  std::shared_ptr<nn::ModuleList<SeparableBlock>> blocks_;
  std::shared_ptr<nn::Conv2d> scores_16_, scores_8_, boxes_16_, boxes_8_;
};

/// A depthwise and a pointwise convolution. Parameter names: depthwise, pointwise.
class SeparableConvolution : public nn::Module {
 public:
  SeparableConvolution(int64_t in_channels, int64_t out_channels, int64_t stride);
  at::Tensor forward(const at::Tensor& x);
  /// forward(x) + residual; residual has the result's shape.
  at::Tensor forward_add(const at::Tensor& x, const at::Tensor& residual);

 private:
  std::shared_ptr<Convolution> depthwise_;
  std::shared_ptr<nn::Conv2d> pointwise_;
};

/// Two separable convolutions with a narrow middle, then ReLU; x is added where the shapes allow
/// it. Parameter names: reduce, expand.
class Bottleneck : public nn::Module {
 public:
  Bottleneck(int64_t in_channels, int64_t middle_channels, int64_t out_channels,
             int64_t stride = 1);
  at::Tensor forward(const at::Tensor& x);

 private:
  bool residual_;
  std::shared_ptr<SeparableConvolution> reduce_, expand_;
};

/// A head of the full-range network: it looks at every place of the image in a coarser grid whose
/// channels are then spread over 2 x 2 places. Parameter names: pointwise, depthwise.
class SpreadHead : public nn::Module {
 public:
  SpreadHead(int64_t in_channels, int64_t values);
  /// x [N, in, H, W] -> [N, H*W, values].
  at::Tensor forward(const at::Tensor& x);

 private:
  int64_t values_;
  std::shared_ptr<nn::Conv2d> pointwise_;
  std::shared_ptr<Convolution> depthwise_;
};

/// For small faces; 2304 anchors. Weights: face_detection_full_range_sparse.safetensors.
class BlazeFaceFullRange : public BlazeFace {
 public:
  BlazeFaceFullRange();
  Candidates forward(const at::Tensor& images) override;
  int64_t input_size() const override { return 192; }
  std::vector<Grid> grids() const override { return {{48, 1}}; }

 private:
  static constexpr size_t kLevels = 5;
  using Row = nn::ModuleList<Bottleneck>;

  std::shared_ptr<Convolution> stem_;
  std::array<std::shared_ptr<Row>, kLevels> down_, up_;
  std::array<std::shared_ptr<nn::Conv2d>, kLevels> lateral_, narrow_;
  std::shared_ptr<SpreadHead> scores_, boxes_;
};

}  // namespace latentsync::face
