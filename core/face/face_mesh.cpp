#include "core/face/face_mesh.h"

namespace latentsync::face {
namespace {

constexpr int64_t kImageChannels = 3;
constexpr int64_t kTrunkChannels = 128;
constexpr int64_t kNarrowChannels = 32;

}  // namespace

FaceMesh::Branch::Branch(int64_t blocks, int64_t values) {
  blocks_ = register_module("blocks", std::make_shared<nn::ModuleList<SeparableBlock>>());
  for (int64_t i = 0; i < blocks; ++i) {
    blocks_->push_back(std::make_shared<SeparableBlock>(kTrunkChannels, kTrunkChannels,
                                                        /*stride=*/i == 0 ? 2 : 1,
                                                        /*parametric=*/true));
  }
  narrow_ = register_module("narrow", pointwise(kTrunkChannels, kNarrowChannels));
  activation_ = register_module("activation", std::make_shared<ParametricRelu>(kNarrowChannels));
  last_ = register_module("last", std::make_shared<SeparableBlock>(kNarrowChannels, kNarrowChannels,
                                                                   1, /*parametric=*/true));
  head_ = register_module("head", std::make_shared<Convolution>(kNarrowChannels, values,
                                                                ConvolutionOptions{.padding = {}}));
}

at::Tensor FaceMesh::Branch::forward(at::Tensor x) {
  for (const auto& block : *blocks_) x = block->forward(x);
  x = last_->forward(activation_->forward(narrow_->forward(x)));
  return head_->forward(x).flatten(1);
}

FaceMesh::FaceMesh() {
  struct Step {
    int64_t channels;
    int64_t stride = 1;
  };
  constexpr Step kSteps[] = {{16}, {16},     {32, 2}, {32},  {32},     {64, 2}, {64},
                             {64}, {128, 2}, {128},   {128}, {128, 2}, {128},   {128}};
  int64_t channels = kSteps[0].channels;
  const ConvolutionOptions stem{.stride = 2, .padding = same_padding(3, 2)};
  stem_ = register_module("stem", std::make_shared<Convolution>(kImageChannels, channels, stem));
  activation_ = register_module("activation", std::make_shared<ParametricRelu>(channels));
  blocks_ = register_module("blocks", std::make_shared<nn::ModuleList<SeparableBlock>>());
  for (const auto& step : kSteps) {
    blocks_->push_back(std::make_shared<SeparableBlock>(channels, step.channels, step.stride,
                                                        /*parametric=*/true));
    channels = step.channels;
  }
  landmarks_ = register_module("landmarks", std::make_shared<Branch>(3, kPoints * 3));
  presence_ = register_module("presence", std::make_shared<Branch>(1, 1));
}

FaceMesh::Output FaceMesh::forward(const at::Tensor& images) {
  auto x = activation_->forward(stem_->forward(images));
  for (const auto& block : *blocks_) x = block->forward(x);
  return {landmarks_->forward(x).reshape({x.size(0), kPoints, 3}),
          presence_->forward(x).squeeze(1)};
}

}  // namespace latentsync::face
