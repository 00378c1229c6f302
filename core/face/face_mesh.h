#pragma once

#include "core/face/layers.h"
#include "core/nn/module.h"

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

namespace latentsync::face {

/// FaceMesh (https://arxiv.org/abs/1907.06724) as MediaPipe publishes it, without attention: the
/// mesh of the one face that an image shows. Runs in float32. Weights:
/// models/face/face_landmark.safetensors.
class FaceMesh : public nn::Module {
 public:
  static constexpr int64_t kInputSize = 192;
  static constexpr int64_t kPoints = 468;

  struct Output {
    at::Tensor landmarks;  ///< [N, kPoints, 3], in pixels of the input; z alike, towards the viewer
                           ///< negative
    at::Tensor presence;   ///< [N], the logit that the image shows a face
  };

  FaceMesh();
  /// images [N, 3, kInputSize, kInputSize] RGB in [0, 1]; the face upright, its box about 2/3 of
  /// the edge.
  Output forward(const at::Tensor& images);

 private:
  /// Half-sized blocks, a narrow last block, and one convolution over the 3 x 3 places that are
  /// left. Parameter names: blocks, narrow, activation, last, head.
  class Branch : public nn::Module {
   public:
    Branch(int64_t blocks, int64_t values);
    /// x [N, C, 6, 6] -> [N, values].
    at::Tensor forward(at::Tensor x);

   private:
    std::shared_ptr<nn::ModuleList<SeparableBlock>> blocks_;
    std::shared_ptr<nn::Conv2d> narrow_;
    std::shared_ptr<ParametricRelu> activation_;
    std::shared_ptr<SeparableBlock> last_;
    std::shared_ptr<Convolution> head_;
  };

  std::shared_ptr<Convolution> stem_;
  std::shared_ptr<ParametricRelu> activation_;
  std::shared_ptr<nn::ModuleList<SeparableBlock>> blocks_;
  std::shared_ptr<Branch> landmarks_, presence_;
};

}  // namespace latentsync::face
