#include "core/nn/autoencoder_kl.h"

#include "core/nn/attention.h"
#include "core/nn/interruption.h"
#include "core/nn/packed_ops.h"
#include "core/nn/resnet_block.h"
#include "core/nn/tiles.h"
#include "core/nn/tokens.h"

#include <functional>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/upsample_nearest2d.h>

namespace latentsync::nn {
namespace {

constexpr double kEps = 1e-6;
constexpr Conv2dOptions kPointwise{.kernel = 1, .padding = 0};

std::shared_ptr<ResnetBlock> resnet(int64_t in, int64_t out, int64_t groups) {
  return std::make_shared<ResnetBlock>(
      ResnetBlockOptions{.in_channels = in, .out_channels = out, .groups = groups, .eps = kEps});
}

// Halves both sides; rows and columns of zeros are added at the bottom and the right only.
class Downsampler : public Module {
 public:
  explicit Downsampler(int64_t channels)
      : conv_(register_module(
            "conv", std::make_shared<Conv2d>(channels, channels,
                                             Conv2dOptions{.stride = 2, .padding = 0}))) {}
  at::Tensor forward(at::Tensor x) {
    x = at::constant_pad_nd(x, {0, 1, 0, 1});
    return conv_->forward(std::move(x));
  }

 private:
  std::shared_ptr<Conv2d> conv_;
};

// Of a 3x3 kernel behind a doubling along DIM: the two taps that reach the pixels of PARITY (0:
// even rows, which see the row above and their own twice; 1: odd rows, their own twice and the one
// below).
at::Tensor fold_taps(const at::Tensor& kernel, int64_t dim, int64_t parity) {
  const auto tap = [&](int64_t i) { return kernel.narrow(dim, i, 1); };
  return parity == 0 ? at::cat({tap(0), tap(1) + tap(2)}, dim)
                     : at::cat({tap(0) + tap(1), tap(2)}, dim);
}

// Doubles both sides by repeating pixels and convolves.
class UpsamplingKernel {
 public:
  virtual ~UpsamplingKernel() = default;
  virtual at::Tensor run(at::Tensor x) const = 0;
};

class DenseUpsampling : public UpsamplingKernel {
 public:
  explicit DenseUpsampling(std::shared_ptr<Conv2d> conv) : conv_(std::move(conv)) {}

  at::Tensor run(at::Tensor x) const override {
    x = at::upsample_nearest2d(x, {x.size(2) * 2, x.size(3) * 2});
    return conv_->forward(x);
  }

 private:
  std::shared_ptr<Conv2d> conv_;
};

// Works on the small image, once with a 2x2 kernel for each parity of row and column: the same sums
// in 4/9 of the multiplications.
class PackedUpsampling : public UpsamplingKernel {
 public:
  PackedUpsampling(const at::Tensor& weight, at::Tensor bias) : bias_(std::move(bias)) {
    for (int64_t i = 0; i < 4; ++i) {
      const auto folded = fold_taps(fold_taps(weight.to(at::kFloat), 2, i / 2), 3, i % 2);
      packed_.push_back(packed::pack_conv2d(folded.to(weight.scalar_type()), 1, 1));
    }
  }

  at::Tensor run(at::Tensor x) const override {
    const auto batch = x.size(0), height = x.size(2), width = x.size(3);
    const auto y = at::empty({batch, height * 2, width * 2, x.size(1)}, x.options(),
                             at::MemoryFormat::Contiguous)
                       .permute({0, 3, 1, 2});
    const auto input = x.contiguous(at::MemoryFormat::ChannelsLast);
    for (int64_t i = 0; i < 4; ++i) {
      check_interruption();
      const int64_t row = i / 2, column = i % 2;
      // With a border of one, output n covers inputs n - 1 and n.
      y.slice(2, row, {}, 2)
          .slice(3, column, {}, 2)
          .copy_(packed::conv2d(input, packed_[i], bias_, /*stride=*/1, /*padding=*/1)
                     .narrow(2, row, height)
                     .narrow(3, column, width));
    }
    return y;
  }

 private:
  at::Tensor bias_;
  std::vector<at::Tensor> packed_;  // by 2 * (parity of the row) + parity of the column
};

class Upsampler : public Module, public Packable {
 public:
  explicit Upsampler(int64_t channels)
      : conv_(register_module("conv", std::make_shared<Conv2d>(channels, channels))),
        kernel_(std::make_shared<DenseUpsampling>(conv_)) {}

  at::Tensor forward(at::Tensor x) { return kernel_->run(std::move(x)); }

  void pack() override {
    const auto weight = conv_->weight.detach();
    if (weight.numel() == 0 || !packed::available(weight.device(), weight.scalar_type())) return;
    kernel_ = std::make_shared<PackedUpsampling>(weight, conv_->bias);
    release_weight(conv_->weight);
  }

 private:
  std::shared_ptr<Conv2d> conv_;
  std::shared_ptr<const UpsamplingKernel> kernel_;
};

// Resnets and, in all blocks but the last, a change of resolution behind them. Blocks let go of
// their input as soon as it has been read.
template <typename Resampler>
class Block : public Module {
 public:
  struct Options {
    int64_t in_channels, out_channels, layers, groups;
    const char* resampler;  // its name; nullptr: none
  };

  explicit Block(const Options& options) {
    resnets_ = register_module("resnets", std::make_shared<ModuleList<ResnetBlock>>());
    for (int64_t i = 0; i < options.layers; ++i) {
      resnets_->push_back(resnet(i == 0 ? options.in_channels : options.out_channels,
                                 options.out_channels, options.groups));
    }
    if (options.resampler == nullptr) return;
    resamplers_ = register_module(options.resampler, std::make_shared<ModuleList<Resampler>>());
    resamplers_->push_back(std::make_shared<Resampler>(options.out_channels));
  }

  at::Tensor forward(at::Tensor x) { return resample(forward_resnets(std::move(x))); }
  at::Tensor forward_resnets(at::Tensor x) {
    for (const auto& resnet : *resnets_) x = resnet->forward(std::move(x));
    return x;
  }
  at::Tensor resample(at::Tensor x) {
    return resamplers_ ? (*resamplers_)[0]->forward(std::move(x)) : x;
  }

  bool resamples() const { return resamplers_ != nullptr; }
  std::vector<ResnetBlock*> resnets() const {
    std::vector<ResnetBlock*> list;
    for (const auto& resnet : *resnets_) list.push_back(resnet.get());
    return list;
  }

 private:
  std::shared_ptr<ModuleList<ResnetBlock>> resnets_;
  std::shared_ptr<ModuleList<Resampler>> resamplers_;
};

class MidBlock : public Module {
 public:
  MidBlock(int64_t channels, int64_t groups) {
    attentions_ = register_module("attentions", std::make_shared<ModuleList<VaeAttention>>());
    attentions_->push_back(std::make_shared<VaeAttention>(channels, groups));
    resnets_ = register_module("resnets", std::make_shared<ModuleList<ResnetBlock>>());
    for (int i = 0; i < 2; ++i) resnets_->push_back(resnet(channels, channels, groups));
  }

  at::Tensor forward(at::Tensor x) {
    x = (*resnets_)[0]->forward(std::move(x));
    x = (*attentions_)[0]->forward(std::move(x));
    return (*resnets_)[1]->forward(std::move(x));
  }

 private:
  std::shared_ptr<ModuleList<VaeAttention>> attentions_;
  std::shared_ptr<ModuleList<ResnetBlock>> resnets_;
};

}  // namespace

class AutoencoderKLEncoder : public Module {
 public:
  explicit AutoencoderKLEncoder(const AutoencoderKLConfig& config) {
    const auto& widths = config.block_out_channels;
    conv_in_ =
        register_module("conv_in", std::make_shared<Conv2d>(config.in_channels, widths.front()));
    down_blocks_ = register_module("down_blocks", std::make_shared<ModuleList<DownBlock>>());
    for (size_t i = 0; i < widths.size(); ++i) {
      down_blocks_->push_back(std::make_shared<DownBlock>(DownBlock::Options{
          widths[i == 0 ? 0 : i - 1], widths[i], config.layers_per_block, config.norm_groups,
          i + 1 < widths.size() ? "downsamplers" : nullptr}));
    }
    mid_block_ =
        register_module("mid_block", std::make_shared<MidBlock>(widths.back(), config.norm_groups));
    conv_norm_out_ = register_module(
        "conv_norm_out", std::make_shared<GroupNorm>(config.norm_groups, widths.back(), kEps));
    conv_out_ = register_module(
        "conv_out", std::make_shared<Conv2d>(widths.back(), 2 * config.latent_channels));
  }

  at::Tensor forward(const at::Tensor& images, int64_t tile) {
    auto x = tile > 0 ? first_block_in_tiles(images, tile)
                      : (*down_blocks_)[0]->forward(conv_in_->forward(images));
    for (size_t i = 1; i < down_blocks_->size(); ++i) {
      x = (*down_blocks_)[i]->forward(std::move(x));
    }
    x = mid_block_->forward(std::move(x));
    x = conv_norm_out_->forward(std::move(x), /*frames=*/1, /*silu=*/true);
    return conv_out_->forward(std::move(x));
  }

 private:
  using DownBlock = Block<Downsampler>;

  // With conv_in: the only activations at the images' own resolution.
  at::Tensor first_block_in_tiles(const at::Tensor& images, int64_t tile) {
    auto& block = *(*down_blocks_)[0];
    const int64_t scale = block.resamples() ? 2 : 1;
    const auto resnets = block.resnets();
    const TiledPart part{
        .before = [&](const at::Tensor& x) { return conv_in_->forward(x); },
        .resnets = resnets,
        .after = [&](at::Tensor x) { return block.resample(std::move(x)); },
        .input_scale = scale,
        .inner_scale = scale,
        .output_scale = 1,
        // A pixel for each 3x3 convolution: conv_in, two in a resnet, the downsampler.
        .reach = (2 * static_cast<int64_t>(resnets.size()) + 2 + scale - 1) / scale};
    return run_in_tiles(images, part, tile / scale);
  }

  std::shared_ptr<Conv2d> conv_in_, conv_out_;
  std::shared_ptr<ModuleList<DownBlock>> down_blocks_;
  std::shared_ptr<MidBlock> mid_block_;
  std::shared_ptr<GroupNorm> conv_norm_out_;
};

class AutoencoderKLDecoder : public Module {
 public:
  explicit AutoencoderKLDecoder(const AutoencoderKLConfig& config) {
    const std::vector<int64_t> widths(config.block_out_channels.rbegin(),
                                      config.block_out_channels.rend());
    conv_in_ = register_module("conv_in",
                               std::make_shared<Conv2d>(config.latent_channels, widths.front()));
    mid_block_ = register_module("mid_block",
                                 std::make_shared<MidBlock>(widths.front(), config.norm_groups));
    up_blocks_ = register_module("up_blocks", std::make_shared<ModuleList<UpBlock>>());
    for (size_t i = 0; i < widths.size(); ++i) {
      up_blocks_->push_back(std::make_shared<UpBlock>(
          UpBlock::Options{widths[i == 0 ? 0 : i - 1], widths[i], config.layers_per_block + 1,
                           config.norm_groups, i + 1 < widths.size() ? "upsamplers" : nullptr}));
    }
    conv_norm_out_ = register_module(
        "conv_norm_out", std::make_shared<GroupNorm>(config.norm_groups, widths.back(), kEps));
    conv_out_ =
        register_module("conv_out", std::make_shared<Conv2d>(widths.back(), config.out_channels));
  }

  at::Tensor forward(const at::Tensor& latents, int64_t tile) {
    auto x = mid_block_->forward(conv_in_->forward(latents));
    const auto last = up_blocks_->size() - 1;
    for (size_t i = 0; i < last; ++i) {
      x = (*up_blocks_)[i]->forward_resnets(std::move(x));
      // The last upsampler gives the largest of all activations.
      if (tile == 0 || i + 1 < last) x = (*up_blocks_)[i]->resample(std::move(x));
    }
    x = tile > 0 ? last_block_in_tiles(std::move(x), tile)
                 : (*up_blocks_)[last]->forward(std::move(x));
    x = conv_norm_out_->forward(std::move(x), /*frames=*/1, /*silu=*/true);
    return conv_out_->forward(std::move(x));
  }

 private:
  using UpBlock = Block<Upsampler>;

  // With the upsampler before it: all activations at the images' own resolution. Each resnet is a
  // part of its own: to compute a norm's input anew through one resnet is cheap, through all three
  // it is not.
  at::Tensor last_block_in_tiles(at::Tensor x, int64_t tile) {
    constexpr int64_t kReach = 2;  // two convolutions; with the upsampler three pixels, two cells
    const auto last = up_blocks_->size() - 1;
    std::function<at::Tensor(at::Tensor)> upsample;
    if (last > 0) {
      upsample = [&](at::Tensor part) {
        return (*up_blocks_)[last - 1]->resample(std::move(part));
      };
    }
    int64_t scale = upsample ? 2 : 1;
    for (auto* const resnet : (*up_blocks_)[last]->resnets()) {
      x = run_in_tiles(x,
                       {.before = std::exchange(upsample, nullptr),
                        .resnets = {resnet},
                        .inner_scale = scale,
                        .output_scale = scale,
                        .reach = kReach},
                       tile / scale);
      scale = 1;
    }
    return x;
  }

  std::shared_ptr<Conv2d> conv_in_, conv_out_;
  std::shared_ptr<MidBlock> mid_block_;
  std::shared_ptr<ModuleList<UpBlock>> up_blocks_;
  std::shared_ptr<GroupNorm> conv_norm_out_;
};

at::Tensor Posterior::sample(const at::Tensor& noise) const {
  return mean + at::exp(0.5 * at::clamp(logvar, -30, 20)) * noise;
}

VaeAttention::VaeAttention(int64_t channels, int64_t groups) {
  group_norm_ = register_module("group_norm", std::make_shared<GroupNorm>(groups, channels, kEps));
  to_q_ = register_module("to_q", std::make_shared<Linear>(channels, channels));
  to_k_ = register_module("to_k", std::make_shared<Linear>(channels, channels));
  to_v_ = register_module("to_v", std::make_shared<Linear>(channels, channels));
  to_out_ = register_module("to_out", std::make_shared<ModuleList<Linear>>());
  to_out_->push_back(std::make_shared<Linear>(channels, channels));
}

at::Tensor VaeAttention::forward(const at::Tensor& x) {
  auto tokens = to_tokens(group_norm_->forward(x));
  const auto one_head = [](const at::Tensor& t) { return t.unsqueeze(1); };
  auto q = one_head(to_q_->forward(tokens)), k = one_head(to_k_->forward(tokens)),
       v = one_head(to_v_->forward(tokens));
  tokens.reset();
  const auto mixed = scaled_dot_product(q, k, v, AttentionMode::kFlash);
  q.reset();
  k.reset();
  v.reset();
  return from_tokens((*to_out_)[0]->forward_add(mixed.squeeze(1), to_tokens(x)), x.size(2),
                     x.size(3));
}

AutoencoderKL::AutoencoderKL(const AutoencoderKLConfig& config) : config_(config) {
  const auto latents = config.latent_channels;
  encoder_ = register_module("encoder", std::make_shared<AutoencoderKLEncoder>(config));
  decoder_ = register_module("decoder", std::make_shared<AutoencoderKLDecoder>(config));
  quant_conv_ =
      register_module("quant_conv", std::make_shared<Conv2d>(2 * latents, 2 * latents, kPointwise));
  post_quant_conv_ =
      register_module("post_quant_conv", std::make_shared<Conv2d>(latents, latents, kPointwise));
}

Posterior AutoencoderKL::encode(const at::Tensor& images, int64_t tile) {
  const auto moments = quant_conv_->forward(encoder_->forward(images, tile)).chunk(2, 1);
  return {moments[0], moments[1]};
}

at::Tensor AutoencoderKL::decode(const at::Tensor& unscaled_latents, int64_t tile) {
  return decoder_->forward(post_quant_conv_->forward(unscaled_latents), tile);
}

at::Tensor AutoencoderKL::scale(const at::Tensor& unscaled_latents) const {
  return (unscaled_latents - config_.shift_factor) * config_.scaling_factor;
}

at::Tensor AutoencoderKL::unscale(const at::Tensor& scaled_latents) const {
  return scaled_latents / config_.scaling_factor + config_.shift_factor;
}

int64_t AutoencoderKL::downscale_factor() const {
  return int64_t{1} << (config_.block_out_channels.size() - 1);
}

at::Tensor AutoencoderKL::encode_batch(const at::Tensor& images, const at::Tensor& noise,
                                       int64_t tile) {
  const auto posterior = encode(images, tile);
  return scale(noise.defined() ? posterior.sample(noise) : posterior.mean);
}

at::Tensor AutoencoderKL::decode_batch(const at::Tensor& scaled_latents, int64_t tile) {
  return decode(unscale(scaled_latents), tile);
}

}  // namespace latentsync::nn
