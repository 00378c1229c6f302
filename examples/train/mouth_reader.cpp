#include "examples/train/mouth_reader.h"

#include "core/error.h"
#include "core/nn/prepare.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/stack.h>

namespace latentsync::train {
namespace {

constexpr int64_t kWidth = 48;
constexpr int64_t kHidden = 128;
constexpr int64_t kBatch = 64;
constexpr double kMostNoise = 0.4;

}  // namespace

MouthReader::MouthReader(int64_t side) {
  const nn::Conv2dOptions half{.stride = 2};
  first_ = register_module("first", std::make_shared<nn::Conv2d>(4, kWidth));
  second_ = register_module("second", std::make_shared<nn::Conv2d>(kWidth, 2 * kWidth, half));
  third_ = register_module("third", std::make_shared<nn::Conv2d>(2 * kWidth, kWidth, half));
  hidden_ =
      register_module("hidden", std::make_shared<nn::Linear>(kWidth * side * side / 16, kHidden));
  out_ = register_module("out", std::make_shared<nn::Linear>(kHidden, Clip::kMouthValues));
}

at::Tensor MouthReader::forward(const at::Tensor& latents) {
  auto x = at::gelu(first_->forward(latents));
  x = at::gelu(second_->forward(x));
  x = at::gelu(third_->forward(x));
  return out_->forward(at::gelu(hidden_->forward(x.flatten(1))));
}

ReaderTraining::ReaderTraining(std::shared_ptr<MouthReader> reader, const LatentPool& pool,
                               c10::Device device)
    : reader_(std::move(reader)), pool_(pool), device_(device), optimiser_(*reader_, {}) {
  nn::prepare_for_training(*reader_);
  for (int64_t number = 0; number < pool_.filled(); ++number) {
    if (!pool_.slot(number).mirrored) slots_.push_back(number);
  }
  if (slots_.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "All encoded pieces of clips happen to be mirrored: give more --slots.");
  }
}

double ReaderTraining::step(double learning_rate, Random& random) {
  std::vector<int64_t> slots, frames;
  std::vector<at::Tensor> mouths;
  for (int64_t i = 0; i < kBatch; ++i) {
    const auto number = slots_[random() % slots_.size()];
    const auto& slot = pool_.slot(number);
    const auto frame = static_cast<int64_t>(random() % slot.frames.size());
    slots.push_back(number);
    frames.push_back(frame);
    mouths.push_back(slot.clip->mouth[slot.frames[static_cast<size_t>(frame)]]);
  }
  const auto latents = pool_.take(slots, frames).wanted;
  const auto noise = at::rand({kBatch, 1, 1, 1}, latents.options()) * kMostNoise;
  optimiser_.zero_gradients();
  const auto read = reader_->forward(latents + noise * at::randn_like(latents));
  const auto loss = (read - at::stack(mouths).to(device_)).abs().mean();
  loss.backward();
  optimiser_.step(learning_rate);
  return loss.item<double>();
}

}  // namespace latentsync::train
