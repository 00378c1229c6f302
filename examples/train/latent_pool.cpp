#include "examples/train/latent_pool.h"

#include "core/lipsync/mask_picture.h"
#include "core/model/state_dict.h"
#include "core/model/tensor_file.h"
#include "core/nn/packed_ops.h"
#include "core/nn/prepare.h"
#include "kernels/reference/face_mask.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

namespace latentsync::train {
namespace {

constexpr int64_t kBatch = 16;

void load_half(torch::nn::Module& half, const std::filesystem::path& path, c10::Device device,
               c10::ScalarType dtype) {
  half.to(device, dtype);
  model::load_state(half, model::open_tensor_file(path).tensors, path.string(), device, dtype);
}

c10::ScalarType quick_type(c10::Device device) {
  if (device.is_cuda()) return at::kHalf;
  return nn::packed::available(device, at::kBFloat16) ? at::kBFloat16 : at::kFloat;
}

}  // namespace

ImageCoder::ImageCoder(const std::filesystem::path& folder, int64_t edge, c10::Device device)
    : network_(std::make_shared<nn::Taesd>()), dtype_(quick_type(device)) {
  load_half(network_->encoder(), folder / "taesd_encoder.safetensors", device, dtype_);
  load_half(network_->decoder(), folder / "taesd_decoder.safetensors", device, dtype_);
  nn::prepare_for_inference(*network_);
  mask_ = kernels::face_mask(lipsync::mask_picture(), edge);
  latent_mask_ = kernels::latent_mask(mask_).to(device);
  mask_ = mask_.to(device);
}

at::Tensor ImageCoder::encode(const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  return network_->encode_images(images.to(dtype_), {}, kBatch).to(at::kFloat).contiguous();
}

at::Tensor ImageCoder::decode(const at::Tensor& latents) {
  const at::NoGradGuard no_grad;
  return network_->decode_latents(latents.to(dtype_), kBatch).to(at::kFloat).contiguous();
}

LatentPool::LatentPool(const Dataset& dataset, ImageCoder& coder, int64_t slots, c10::Device device)
    : dataset_(dataset),
      coder_(coder),
      sampler_(dataset.of(Part::kTrain)),
      device_(device),
      slots_(static_cast<size_t>(slots)) {
  for (const auto* clip : dataset.of(Part::kTrain)) stride_ = std::max(stride_, clip->frames());
  stride_ = std::min(stride_, kMostFrames);
  const auto side = dataset.edge / 8;
  const auto options = at::TensorOptions(device);
  plain_ = at::zeros({slots * stride_, 4, side, side}, options.dtype(at::kHalf));
  masked_ = at::zeros_like(plain_);
  lips_ = at::zeros({slots * stride_, 4}, options.dtype(at::kFloat));
}

void LatentPool::refresh(Random& random, Strength strength) {
  const at::NoGradGuard no_grad;
  const auto& clip = sampler_.draw(random);
  auto& slot = slots_[static_cast<size_t>(next_)];
  slot.clip = &clip;
  slot.frames = std::min(clip.frames(), stride_);
  slot.first =
      static_cast<int64_t>(random() % static_cast<uint64_t>(clip.frames() - slot.frames + 1));
  // Some stay as they are: what the network meets in the end.
  const auto change = draw_augmentation(random, random() % 5 == 0 ? Strength::kNone : strength);
  slot.mirrored = change.mirror;
  Clip part = clip;
  part.crops = clip.crops.narrow(0, slot.first, slot.frames);
  part.lips = clip.lips.narrow(0, slot.first, slot.frames);
  const auto images = augmented_crops(dataset_, part, change, device_);
  const auto place = [&](at::Tensor& pool) { return pool.narrow(0, next_ * stride_, slot.frames); };
  place(plain_).copy_(coder_.encode(images));
  place(masked_).copy_(coder_.encode(images * coder_.mask()));
  place(lips_).copy_(augmented_lips(dataset_, part, change));
  next_ = (next_ + 1) % static_cast<int64_t>(slots_.size());
  filled_ = std::min(filled_ + 1, static_cast<int64_t>(slots_.size()));
}

const LatentPool::Slot& LatentPool::draw(Random& random, int64_t& number) const {
  number = static_cast<int64_t>(random() % static_cast<uint64_t>(filled_));
  return slot(number);
}

LatentFrames LatentPool::take(const std::vector<int64_t>& slot,
                              const std::vector<int64_t>& frame) const {
  std::vector<int64_t> places;
  for (size_t i = 0; i < slot.size(); ++i) places.push_back(slot[i] * stride_ + frame[i]);
  const auto index = at::tensor(places, at::kLong).to(device_);
  return {plain_.index_select(0, index).to(at::kFloat),
          masked_.index_select(0, index).to(at::kFloat), lips_.index_select(0, index)};
}

}  // namespace latentsync::train
