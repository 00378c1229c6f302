#include "core/error.h"
#include "core/model/extra_tensors.h"
#include "core/model/naming.h"
#include "tests/support/golden.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ops/full.h>
#include <gtest/gtest.h>

namespace latentsync::model {
namespace {

TensorFile file_of(TensorMap tensors) { return {"/models/x.pt", std::move(tensors), {}, {}}; }

/// A tensor that can be told from all others.
at::Tensor numbered(std::vector<int64_t> shape) {
  static float number = 0;
  return at::full(shape, ++number);
}

/// Pairs of diffusers' name and the original one, of an autoencoder with two levels of two resnets
/// (three in the decoder).
std::vector<std::pair<std::string, std::string>> both_names() {
  std::vector<std::pair<std::string, std::string>> names;
  const auto add = [&](const std::string& diffusers, const std::string& original) {
    names.emplace_back(diffusers + ".weight", original + ".weight");
    names.emplace_back(diffusers + ".bias", original + ".bias");
  };
  const auto add_resnet = [&](const std::string& diffusers, const std::string& original) {
    for (const char* part : {"norm1", "conv1", "norm2", "conv2"}) {
      add(diffusers + part, original + part);
    }
    add(diffusers + "conv_shortcut", original + "nin_shortcut");
  };
  for (int level = 0; level < 2; ++level) {
    const std::string down = std::to_string(level), up = std::to_string(1 - level);
    for (int block = 0; block < 3; ++block) {
      const std::string resnet = ".resnets." + std::to_string(block) + ".";
      const std::string original = ".block." + std::to_string(block) + ".";
      if (block < 2) {
        add_resnet("encoder.down_blocks." + down + resnet, "encoder.down." + down + original);
      }
      add_resnet("decoder.up_blocks." + up + resnet, "decoder.up." + down + original);
    }
  }
  add("encoder.down_blocks.0.downsamplers.0.conv", "encoder.down.0.downsample.conv");
  add("decoder.up_blocks.0.upsamplers.0.conv", "decoder.up.1.upsample.conv");
  for (const std::string half : {"encoder.", "decoder."}) {
    add(half + "conv_in", half + "conv_in");
    add(half + "conv_out", half + "conv_out");
    add(half + "conv_norm_out", half + "norm_out");
    add_resnet(half + "mid_block.resnets.0.", half + "mid.block_1.");
    add_resnet(half + "mid_block.resnets.1.", half + "mid.block_2.");
    const std::pair<const char*, const char*> attention[] = {{"group_norm", "norm"},
                                                             {"to_q", "q"},
                                                             {"to_k", "k"},
                                                             {"to_v", "v"},
                                                             {"to_out.0", "proj_out"}};
    for (const auto& [diffusers, original] : attention) {
      add(half + "mid_block.attentions.0." + diffusers, half + "mid.attn_1." + original);
    }
  }
  add("quant_conv", "quant_conv");
  add("post_quant_conv", "post_quant_conv");
  return names;
}

void expect_same(const TensorMap& actual, const TensorMap& expected) {
  EXPECT_EQ(actual.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    const auto found = actual.find(name);
    ASSERT_NE(found, actual.end()) << name;
    EXPECT_TRUE(found->second.equal(tensor)) << name;
  }
}

// What trainers and libraries store beside a network's weights is left out with a warning; a name that is
// merely unknown stays.
TEST(Naming, LeavesOutWhatIsNoWeight) {
  const std::vector<std::string> extras = {"a.position_ids", "b.num_batches_tracked",
                                           "ema.conv_in.weight", "optimizer.state.0.exp_avg",
                                           "total_ops"};
  for (const std::string prefix : {"", "state_dict.", "state_dict.module."}) {
    TensorMap tensors = {{prefix + "conv_in.weight", numbered({1})},
                         {prefix + "conv_in.unknown", numbered({1})}};
    for (const auto& name : extras) tensors.emplace(prefix + name, numbered({1}));
    std::vector<std::string> left_out;
    const auto state = unet_state(file_of(tensors), &left_out);
    EXPECT_EQ(left_out, extras);
    EXPECT_EQ(state.size(), 2u);
    EXPECT_TRUE(state.contains("conv_in.unknown"));
  }
  std::vector<std::string> left_out;
  vae_state(file_of({{"encoder.conv_in.weight", numbered({1})}, {"loss.logvar", numbered({1})}}),
            &left_out);
  EXPECT_EQ(left_out, std::vector<std::string>{"loss.logvar"});
}

// No network here has a tensor of a name that would be left out.
TEST(Naming, LeavesOutNoWeight) {
  for (const auto& [folder, name] : {std::pair("unet", "unet_tiny"), std::pair("vae", "vae_tiny"),
                                     std::pair("whisper", "whisper_tinytest")}) {
    for (const auto& [tensor, values] : test::golden_weights(folder, name)) {
      EXPECT_FALSE(is_extra_tensor(tensor)) << tensor;
    }
  }
}

// The original names of an autoencoder, alone or in a whole checkpoint, become diffusers' names.
TEST(Naming, AutoencoderFromItsOriginalNames) {
  for (const std::string prefix : {"", "first_stage_model.", "state_dict.first_stage_model."}) {
    TensorMap expected, original;
    for (const auto& [diffusers, name] : both_names()) {
      const bool linear = diffusers.find(".to_") != std::string::npos && name.ends_with("weight");
      const at::Tensor tensor =
          numbered(linear ? std::vector<int64_t>{4, 4, 1, 1} : std::vector<int64_t>{4});
      expected[diffusers] = linear ? tensor.flatten(1) : tensor;
      original[prefix + name] = tensor;
    }
    original[prefix + "loss.logvar"] = numbered({1});
    if (!prefix.empty())
      original[prefix.substr(0, prefix.find("first")) + "model.x"] = numbered({1});
    expect_same(vae_state(file_of(original)), expected);
  }
}

// Diffusers' names of today stay; those of its older attention become today's.
TEST(Naming, AutoencoderFromDiffusersNames) {
  const std::pair<const char*, const char*> older[] = {
      {"to_q", "query"}, {"to_k", "key"}, {"to_v", "value"}, {"to_out.0", "proj_attn"}};
  TensorMap today, before;
  for (const auto& [name, original] : both_names()) {
    const at::Tensor tensor = numbered({4});
    today[name] = tensor;
    std::string old = name;
    for (const auto& [to, from] : older) {
      const size_t at = old.find(std::string(".") + to + ".");
      if (at != std::string::npos) old.replace(at + 1, std::string(to).size(), from);
    }
    before[old] = tensor;
  }
  expect_same(vae_state(file_of(today)), today);
  expect_same(vae_state(file_of(before)), today);
}

// Two names of one tensor are refused instead of one winning.
TEST(Naming, TwoNamesOfOneTensorAreRefused) {
  TensorMap tensors = {{"encoder.conv_in.weight", numbered({1})},
                       {"encoder.mid_block.attentions.0.to_q.weight", numbered({1})},
                       {"encoder.mid_block.attentions.0.query.weight", numbered({1})}};
  try {
    vae_state(file_of(tensors));
    ADD_FAILURE() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kForeignModel);
    EXPECT_NE(std::string(error.what()).find("to_q.weight"), std::string::npos) << error.what();
  }
}

// The UNet's prefixes fall away, and so does what lies beside its state_dict.
TEST(Naming, UNetPrefixes) {
  const at::Tensor tensor = numbered({1});
  for (const std::string prefix : {"", "module.", "state_dict.", "state_dict.module."}) {
    TensorMap tensors = {{prefix + "conv_in.weight", tensor}};
    if (prefix.starts_with("state_dict.")) tensors["optimizer.state.0"] = numbered({1});
    expect_same(unet_state(file_of(tensors)), {{"conv_in.weight", tensor}});
  }
}

// Of Whisper only the audio encoder is taken, without its prefix.
TEST(Naming, WhisperEncoder) {
  const at::Tensor tensor = numbered({1});
  for (const std::string prefix : {"", "model_state_dict."}) {
    const TensorMap tensors = {{prefix + "encoder.conv1.weight", tensor},
                               {prefix + "decoder.ln.weight", numbered({1})}};
    expect_same(whisper_encoder_state(file_of(tensors)), {{"conv1.weight", tensor}});
  }
}

// What stands before the names of a network that is whole but for it is told.
TEST(Naming, ForeignPrefixesAreTold) {
  for (const std::string prefix : {"model.", "net.unet."}) {
    TensorMap tensors;
    for (const char* name :
         {"conv_in.weight", "time_embedding.linear_1.weight", "conv_out.weight"}) {
      tensors[prefix + name] = numbered({1});
    }
    tensors["optimizer.state.0"] = numbered({1});
    try {
      refuse_foreign("/m/x.pt", "it lacks the tensor \"conv_in.weight\"", tensors);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("begin with \"" + prefix + "\""), std::string::npos)
          << error.what();
    }
  }
  const TensorMap plain = {{"conv_in.weight", numbered({1})},
                           {"time_embedding.linear_1.weight", numbered({1})}};
  EXPECT_THROW(
      {
        try {
          refuse_foreign("/m/x.pt", "it lacks a tensor", plain);
        } catch (const Error& error) {
          EXPECT_EQ(std::string(error.what()).find("begin with"), std::string::npos)
              << error.what();
          throw;
        }
      },
      Error);
}

// Whisper from another place is told with what is read instead.
TEST(Naming, WhisperOfTransformersIsTold) {
  const TensorMap tensors = {{"model.encoder.layers.0.self_attn.q_proj.weight", numbered({1})},
                             {"model.encoder.conv1.weight", numbered({1})}};
  try {
    whisper_encoder_state(file_of(tensors));
    ADD_FAILURE() << "not refused";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("OpenAI"), std::string::npos) << error.what();
  }
}

// Another model in the wrong place is called by its name.
TEST(Naming, ForeignModelsAreNamed) {
  const TensorMap whisper = {{"encoder.blocks.0.attn.query.weight", numbered({1})}};
  const TensorMap vae = {{"encoder.down_blocks.0.resnets.0.conv1.weight", numbered({1})}};
  const std::pair<std::function<void()>, std::string> cases[] = {
      {[&] { vae_state(file_of(whisper)); }, "Whisper"},
      {[&] { whisper_encoder_state(file_of(vae)); }, "autoencoder"}};
  for (const auto& [call, expected] : cases) {
    try {
      call();
      ADD_FAILURE() << "not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kForeignModel);
      EXPECT_NE(std::string(error.what()).find("looks like"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("/models/x.pt"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace latentsync::model
