#include "core/nn/tokens.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"
#include "tests/support/networks.h"

#include <memory>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

// A submodule of the golden UNet by its name in the checkpoint.
template <typename M>
std::shared_ptr<M> submodule(nn::UNet3D& unet, const std::string& name) {
  const auto modules = unet.named_modules();
  const auto* found = modules.find(name);
  if (found == nullptr) throw std::runtime_error("no module " + name);
  auto typed = std::dynamic_pointer_cast<M>(*found);
  if (!typed) throw std::runtime_error(name + " is of another type");
  return typed;
}

// [B, C, F, H, W] of the reference -> our [B*F, C, H, W].
at::Tensor by_frame(const at::Tensor& x) { return on_device(x).transpose(1, 2).flatten(0, 1); }

// Compares our [B*F, C, H, W] or [N, tokens, C] with the reference's tensor NAME, if the set has
// it.
class Expectations {
 public:
  explicit Expectations(model::TensorMap tensors) : tensors_(std::move(tensors)) {}

  void check(const std::string& name, const at::Tensor& actual, const Tolerance& limit) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) return;
    const auto& expected = found->second;
    const auto ours =
        expected.dim() == 5
            ? actual.unflatten(0, {expected.size(0), expected.size(2)}).transpose(1, 2)
            : actual;
    EXPECT_TRUE(close(ours, expected, tolerance(limit))) << name;
    ++checked_;
  }

  int checked() const { return checked_; }
  const at::Tensor& at(const std::string& name) const { return tensors_.at(name); }
  const model::TensorMap& tensors() const { return tensors_; }

 private:
  model::TensorMap tensors_;
  int checked_ = 0;
};

class UNetModules : public testing::TestWithParam<bool> {
 protected:
  const at::NoGradGuard no_grad_;
  std::shared_ptr<nn::UNet3D> unet_ = golden_unet(GetParam());
  nn::MouthRegions regions_;
  static constexpr Tolerance kIntermediate{.max_abs = 5e-5, .rel_l2 = 1e-5};
};

// Every stage's output, and the outputs inside the first layer, equal the reference's when the
// evaluation is walked stage by stage.
TEST_P(UNetModules, IntermediatesEqualTheReference) {
  for (const auto& path : golden_files("unet", "unet_intermediates")) {
    SCOPED_TRACE(path.filename());
    Expectations golden(model::open_tensor_file(path).tensors);
    const auto& sample = golden.at("sample");
    const auto timestep = golden.at("timesteps")[0].item<int64_t>();
    const auto check = [&](const std::string& name, const at::Tensor& actual) {
      golden.check("inter." + name, actual, kIntermediate);
    };

    const auto encoding =
        on_device(nn::timestep_encoding(timestep, unet_->config().block_out_channels.front()));
    const auto embedding =
        submodule<nn::Linear>(*unet_, "time_embedding.linear_2")
            ->forward(at::silu(
                submodule<nn::Linear>(*unet_, "time_embedding.linear_1")->forward(encoding)))
            .expand({sample.size(0), -1});
    check("time_embedding", embedding);
    const nn::UNetContext context{.frames = sample.size(2),
                                  .activated_time_embedding = at::silu(embedding),
                                  .audio = on_device(golden.at("encoder_hidden_states")),
                                  .mouth_regions = &regions_};

    auto x = submodule<nn::Conv2d>(*unet_, "conv_in")->forward(by_frame(sample));
    check("conv_in", x);
    const auto resnet = submodule<nn::ResnetBlock>(*unet_, "down_blocks.0.resnets.0");
    auto first = resnet->forward(x, context.time_shift(*resnet), context.frames);
    check("down_blocks.0.resnets.0", first);
    const auto transformer =
        submodule<nn::SpatialTransformer>(*unet_, "down_blocks.0.attentions.0");
    first = transformer->forward(first, transformer->audio_keys(context.audio), context.attention,
                                 regions_);
    check("down_blocks.0.attentions.0", first);
    first = submodule<nn::MotionModule>(*unet_, "down_blocks.0.motion_modules.0")
                ->forward(first, context.frames, context.attention);
    check("down_blocks.0.motion_modules.0", first);

    std::vector<at::Tensor> skips{x};
    const auto stages = unet_->config().block_out_channels.size();
    for (size_t i = 0; i < stages; ++i) {
      const auto name = "down_blocks." + std::to_string(i);
      x = submodule<nn::DownBlock>(*unet_, name)->forward(x, context, skips);
      check(name, x);
    }
    x = submodule<nn::MidBlock>(*unet_, "mid_block")->forward(x, context);
    check("mid_block", x);
    for (size_t i = 0; i < stages; ++i) {
      const auto name = "up_blocks." + std::to_string(i);
      x = submodule<nn::UpBlock>(*unet_, name)->forward(x, context, skips);
      check(name, x);
    }
    check("conv_norm_out",
          submodule<nn::GroupNorm>(*unet_, "conv_norm_out")->forward(x, context.frames));
    EXPECT_GT(golden.checked(), 0);
  }
}

// The attentions and the feed-forward of the first transformer block and motion module give the
// reference's own outputs (without the residual).
TEST_P(UNetModules, InsidesOfTheFirstTransformersEqualTheReference) {
  for (const auto& path : golden_files("unet", "unet_intermediates")) {
    SCOPED_TRACE(path.filename());
    Expectations golden(model::open_tensor_file(path).tensors);
    const auto audio = on_device(golden.at("encoder_hidden_states"));
    const auto frames = golden.at("sample").size(2);
    const std::string spatial = "down_blocks.0.attentions.0";
    const auto x = by_frame(golden.at("inter.down_blocks.0.resnets.0"));
    const auto flash = nn::AttentionMode::kFlash;

    const auto tokens = submodule<nn::Conv2d>(*unet_, spatial + ".proj_in")
                            ->forward_tokens(nn::to_tokens(
                                submodule<nn::GroupNorm>(*unet_, spatial + ".norm")->forward(x)));
    const std::string block = spatial + ".transformer_blocks.0.";
    const auto zero = at::zeros_like(tokens);
    const auto norm = [&](const std::string& name, const at::Tensor& h) {
      return submodule<nn::LayerNorm>(*unet_, block + name)->forward(h);
    };
    const auto attn1 = submodule<nn::Attention>(*unet_, block + "attn1")
                           ->self_attention(norm("norm1", tokens), zero, flash);
    golden.check("inter." + block + "attn1", attn1, kIntermediate);
    auto h = tokens + attn1;
    const auto to_audio = submodule<nn::Attention>(*unet_, block + "attn2");
    const auto attn2 =
        to_audio->cross_attention(norm("norm2", h), to_audio->keys_and_values(audio), zero, flash);
    golden.check("inter." + block + "attn2", attn2, kIntermediate);
    h = h + attn2;
    golden.check("inter." + block + "ff",
                 submodule<nn::FeedForward>(*unet_, block + "ff")->forward(norm("norm3", h), zero),
                 kIntermediate);

    const std::string motion = "down_blocks.0.motion_modules.0.temporal_transformer";
    const std::string temporal = motion + ".transformer_blocks.0.";
    const auto input =
        submodule<nn::Linear>(*unet_, motion + ".proj_in")
            ->forward(nn::to_tokens(submodule<nn::GroupNorm>(*unet_, motion + ".norm")
                                        ->forward(by_frame(golden.at("inter." + spatial)))));
    const auto normed = submodule<nn::LayerNorm>(*unet_, temporal + "norms.0")->forward(input);
    golden.check("inter." + temporal + "attention_blocks.0",
                 submodule<nn::TemporalAttention>(*unet_, temporal + "attention_blocks.0")
                     ->forward(normed, zero, frames, flash),
                 kIntermediate);
    EXPECT_GT(golden.checked(), 0);
  }
}

// Single modules on inputs of size 3e-3, where a wrong eps of a group norm changes the output by a
// fifth.
TEST_P(UNetModules, SmallInputsEqualTheReference) {
  Expectations golden(
      model::open_tensor_file(golden_dir() / "unet/unet_modules_small_input.safetensors").tensors);
  const auto activated = at::silu(on_device(golden.at("temb")));
  const auto audio = on_device(golden.at("encoder_hidden_states"));
  constexpr Tolerance kModule{.rel_l2 = 1e-5};
  for (const auto& [name, input] : golden.tensors()) {
    if (!name.ends_with(".in")) continue;
    const auto module = name.substr(0, name.size() - 3);
    const auto x = by_frame(input);
    const auto frames = input.size(2);
    at::Tensor out;
    if (module.find(".resnets.") != std::string::npos) {
      const auto resnet = submodule<nn::ResnetBlock>(*unet_, module);
      out = resnet->forward(x, resnet->time_shift(activated), frames);
    } else if (module.find(".attentions.") != std::string::npos) {
      const auto transformer = submodule<nn::SpatialTransformer>(*unet_, module);
      out = transformer->forward(x, transformer->audio_keys(audio), nn::AttentionMode::kFlash,
                                 regions_);
    } else {
      out = submodule<nn::MotionModule>(*unet_, module)
                ->forward(x, frames, nn::AttentionMode::kFlash);
    }
    golden.check(module + ".out", out, kModule);
  }
  EXPECT_GT(golden.checked(), 0);
}

INSTANTIATE_TEST_SUITE_P(Weights, UNetModules, testing::Bool(),
                         [](const auto& info) { return info.param ? "Packed" : "Dense"; });

}  // namespace
}  // namespace latentsync::test
