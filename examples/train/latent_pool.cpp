#include "examples/train/latent_pool.h"

#include "core/error.h"
#include "core/lipsync/mask_picture.h"
#include "core/model/state_dict.h"
#include "core/model/tensor_file.h"
#include "core/nn/packed_ops.h"
#include "core/nn/prepare.h"
#include "examples/train/morph.h"
#include "examples/train/parted_pass.h"
#include "kernels/reference/face_mask.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/replication_pad2d.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace latentsync::train {
namespace {

// RUN(images) put together again: on a CPU one at a time, because what TAESD takes for one image
// fits into its caches.
template <typename Run>
at::Tensor by_image(const at::Tensor& images, const Run& run) {
  if (!images.device().is_cpu()) return run(images);
  std::vector<at::Tensor> parts;
  for (const auto& image : images.split(1)) parts.push_back(run(image));
  return at::cat(parts);
}

// Of slots of spread frames, a face between two; of all others, one mixed with another's colours.
constexpr double kMorphed = 0.5, kMixed = 0.5;
constexpr double kLeastShare = -0.25;              // of the other one in a face between two
constexpr double kFinest = 0.02, kCoarsest = 0.1;  // of what is taken from him, parts of the edge

void load_half(nn::Module& half, const std::filesystem::path& path, c10::Device device,
               c10::ScalarType dtype) {
  half.to(device, dtype);
  model::load_state(half, model::open_tensor_file(path).tensors, path.string(), device, dtype);
}

// Some stay as they are, but for mixing: what the network meets in the end.
Strength draw_strength(Random& random) {
  const auto lot = random() % 8;
  return lot == 0 ? Strength::kNone : lot < 4 ? Strength::kUsual : Strength::kStrong;
}

int64_t below(int64_t count, Random& random) {
  return static_cast<int64_t>(random() % static_cast<uint64_t>(count));
}

c10::ScalarType quick_type(c10::Device device) {
  if (device.is_cuda()) return at::kHalf;
  return nn::packed::available(device, at::kBFloat16) ? at::kBFloat16 : at::kFloat;
}

// Each place with its neighbours: a mean over 3 x 3.
at::Tensor averaged_about(const at::Tensor& x) {
  return at::avg_pool2d(at::replication_pad2d(x, {1, 1, 1, 1}), 3, 1);
}

}  // namespace

std::vector<int64_t> choose_frames(int64_t most, Choice choice, Random& random) {
  constexpr auto kRun = LatentPool::kRun, kSpreadFrames = LatentPool::kSpreadFrames;
  std::vector<int64_t> frames;
  if (choice == Choice::kSpread) {
    std::vector<int64_t> all(static_cast<size_t>(most));
    std::iota(all.begin(), all.end(), 0);
    std::sample(all.begin(), all.end(), std::back_inserter(frames), kSpreadFrames, random);
    return frames;
  }
  const auto first = below(most - 2 * kRun + 1, random);
  const auto second = first + kRun + below(most - first - 2 * kRun + 1, random);
  for (const auto begin : {first, second}) {
    for (int64_t i = 0; i < kRun; ++i) frames.push_back(begin + i);
  }
  return frames;
}

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
  std::vector<at::Tensor> parts(static_cast<size_t>(images.size(0)));
  for_parts(images.device(), images.size(0), [&](int64_t begin, int64_t length) {
    parts[static_cast<size_t>(begin)] =
        by_image(images.narrow(0, begin, length), [&](const at::Tensor& some) {
          return network_->encode_images(some.to(dtype_)).to(at::kFloat).contiguous();
        });
  });
  std::erase_if(parts, [](const at::Tensor& part) { return !part.defined(); });
  return at::cat(parts);
}

at::Tensor ImageCoder::decode(const at::Tensor& latents) {
  const at::NoGradGuard no_grad;
  return by_image(latents, [&](const at::Tensor& some) {
    return network_->decode_latents(some.to(dtype_)).to(at::kFloat).contiguous();
  });
}

at::Tensor ImageCoder::colour_correction(const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  constexpr int64_t kPlace = 2;  // latents
  const auto latents = encode(images);
  const auto lost = images - decode(latents);
  const auto side = images.size(3), across = kPlace * side / latents.size(3);
  const auto coarse = averaged_about(at::avg_pool2d(lost, across));
  const auto smooth = at::upsample_bilinear2d(coarse, {side, side}, false);
  return averaged_about(encode(images + smooth) - latents).mean(0, true);
}

LatentPool::LatentPool(const Dataset& dataset, ImageCoder& coder, int64_t slots, c10::Device device)
    : dataset_(dataset),
      coder_(coder),
      sampler_(dataset.of(Part::kTrain), ClipSampler::kForFaces),
      device_(device),
      slots_(static_cast<size_t>(slots)) {
  int64_t longest = 0;
  for (const auto* clip : dataset.of(Part::kTrain)) longest = std::max(longest, clip->frames());
  if (longest < 2 * kRun) {
    throw Error(ErrorCode::kInvalidArgument,
                "The clips to train on have at most " + std::to_string(longest) +
                    " frames; one at least must have " + std::to_string(2 * kRun) + ".");
  }
  const auto side = dataset.edge / 8;
  const auto options = at::TensorOptions(device);
  plain_ = at::zeros({slots * 2 * kRun, 4, side, side}, options.dtype(at::kHalf));
  masked_ = at::zeros_like(plain_);
  correction_ = at::zeros({slots, 4, side, side}, options.dtype(at::kHalf));
  lips_ = at::zeros({slots * 2 * kRun, 4}, options.dtype(at::kFloat));
}

const LatentPool::Slot& LatentPool::refresh(Choice choice, Random& random) {
  const at::NoGradGuard no_grad;
  const auto* clip = &sampler_.draw(random);
  while (choice == Choice::kRuns && clip->frames() < 2 * kRun) clip = &sampler_.draw(random);
  auto& slot = slots_[static_cast<size_t>(next_)];
  auto change = draw_augmentation(random, draw_strength(random));
  slot = {clip, choose_frames(clip->frames(), choice, random), choice, change.mirror};
  const auto count = static_cast<int64_t>(slot.frames.size());
  const auto& other = sampler_.draw(random);
  double share = 0;
  if (choice == Choice::kSpread && uniform(random, 0, 1) < kMorphed) {
    share = uniform(random, kLeastShare, 1);
  } else if (uniform(random, 0, 1) < kMixed) {
    const double deviation = uniform(random, kFinest, kCoarsest);
    change.other =
        difference_of_faces(dataset_, *clip, other, deviation, device_) * uniform(random, 0, 1);
  }
  const Clip part = morphed(*clip, slot.frames, other, share, device_);
  const auto images = augmented_crops(dataset_, part, change, device_);
  const auto place = [&](at::Tensor& pool) { return pool.narrow(0, next_ * 2 * kRun, count); };
  place(plain_).copy_(coder_.encode(images));
  place(masked_).copy_(coder_.encode(images * coder_.mask()));
  const auto ends = at::stack({images[0], images[count - 1]});
  correction_[next_].copy_(coder_.colour_correction(ends).squeeze(0));
  place(lips_).copy_(augmented_lips(dataset_, part, change));
  next_ = (next_ + 1) % static_cast<int64_t>(slots_.size());
  filled_ = std::min(filled_ + 1, static_cast<int64_t>(slots_.size()));
  return slot;
}

int64_t LatentPool::count(Choice choice) const {
  return std::count_if(slots_.begin(), slots_.begin() + filled_,
                       [&](const Slot& slot) { return slot.choice == choice; });
}

const LatentPool::Slot& LatentPool::draw(Random& random, int64_t& number) const {
  number = static_cast<int64_t>(random() % static_cast<uint64_t>(filled_));
  return slot(number);
}

LatentFrames LatentPool::take(const std::vector<int64_t>& slot,
                              const std::vector<int64_t>& frame) const {
  std::vector<int64_t> places;
  for (size_t i = 0; i < slot.size(); ++i) places.push_back(slot[i] * 2 * kRun + frame[i]);
  const auto index = at::tensor(places, at::kLong).to(device_);
  const auto slots = at::tensor(slot, at::kLong).to(device_);
  const auto plain = plain_.index_select(0, index).to(at::kFloat);
  return {plain, plain + correction_.index_select(0, slots),
          masked_.index_select(0, index).to(at::kFloat), lips_.index_select(0, index)};
}

}  // namespace latentsync::train
