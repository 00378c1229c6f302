#include "core/lipsync/residency.h"

#include <algorithm>
#include <utility>

namespace latentsync::lipsync {
namespace {

void append_weights(const nn::Module& module, std::vector<at::Tensor>& weights) {
  const auto more = device::weights_of(module);
  weights.insert(weights.end(), more.begin(), more.end());
}

}  // namespace

Residency::Residency(std::shared_ptr<nn::UNet3D> unet,
                     std::vector<std::shared_ptr<nn::Module>> others, c10::Device device)
    : unet_(std::move(unet)), others_(std::move(others)), device_(device) {}

Residency::~Residency() { unet_->set_stage_hook({}); }

void Residency::use_unet(const Rung& rung) {
  set_streaming(rung.streamed_unet);
  set_parking(rung.host_networks);
  if (!parked_unet_) return;
  parked_others_->park();
  parked_unet_->bring();
}

void Residency::use_others(const Rung& rung) {
  set_streaming(rung.streamed_unet);
  set_parking(rung.host_networks);
  if (!parked_unet_) return;
  if (stream_) stream_->park();
  parked_unet_->park();
  parked_others_->bring();
}

// All stages but the last: the cheap steps of the feature cache evaluate its last layer alone, and
// it is the smallest.
void Residency::set_streaming(bool streamed) {
  if (streamed == (stream_ != nullptr)) return;
  unpark();
  if (!streamed) {
    stream_->end();
    unet_->set_stage_hook({});
    stream_.reset();
    return;
  }
  auto stages = unet_->stages();
  stages.pop_back();
  std::vector<std::vector<at::Tensor>> blocks;
  for (const auto& stage : stages) blocks.push_back(device::weights_of(*stage));
  stream_ = std::make_unique<device::WeightStream>(std::move(blocks), device_);
  unet_->set_stage_hook([stream = stream_.get()](size_t stage) { stream->before(stage); });
}

std::vector<at::Tensor> Residency::unstreamed_weights() const {
  auto weights = device::weights_of(*unet_);
  if (!stream_) return weights;
  auto stages = unet_->stages();
  stages.pop_back();
  std::vector<at::Tensor> streamed;
  for (const auto& stage : stages) append_weights(*stage, streamed);
  std::erase_if(weights, [&](const at::Tensor& weight) {
    return std::ranges::any_of(streamed, [&](const auto& other) { return other.is_same(weight); });
  });
  return weights;
}

void Residency::set_parking(bool parked) {
  if (!parked) return unpark();
  if (parked_unet_ && parked_others_) return;
  unpark();
  std::vector<at::Tensor> others;
  for (const auto& network : others_) append_weights(*network, others);
  parked_unet_ = std::make_unique<device::ParkedWeights>(unstreamed_weights(), device_);
  parked_others_ = std::make_unique<device::ParkedWeights>(std::move(others), device_);
}

// What is brought stays on the device when nobody can park it any more.
void Residency::unpark() {
  for (auto* parked : {&parked_unet_, &parked_others_}) {
    if (*parked) (*parked)->bring();
    parked->reset();
  }
}

}  // namespace latentsync::lipsync
