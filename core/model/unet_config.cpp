#include "core/error.h"
#include "core/model/config.h"
#include "core/model/config_section.h"
#include "core/model/shapes.h"

#include <algorithm>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace latentsync::model {
namespace {

const std::string kFirstTransformer = ".attentions.0.transformer_blocks.0.";
const std::string kFirstMotion = ".motion_modules.0.temporal_transformer.transformer_blocks.";

void read_motion_shapes(const Shapes& shapes, nn::UNet3DConfig& unet) {
  const auto levels = static_cast<int64_t>(unet.block_out_channels.size());
  unet.motion_down_blocks.clear();
  unet.motion_up_blocks.clear();
  std::string first;
  const auto has_motion = [&](const std::string& block) {
    const bool found = shapes.contains(block + kFirstMotion + "0.norms.0.weight");
    if (found && first.empty()) first = block + kFirstMotion;
    return found;
  };
  for (int64_t i = 0; i < levels; ++i) {
    unet.motion_down_blocks.push_back(has_motion("down_blocks." + std::to_string(i)));
  }
  for (int64_t i = 0; i < levels; ++i) {
    unet.motion_up_blocks.push_back(has_motion("up_blocks." + std::to_string(i)));
  }
  unet.motion_mid_block = has_motion("mid_block");
  if (first.empty()) return;
  unet.motion_transformer_blocks = shapes.count(first, ".norms.0.weight");
  unet.motion_attentions = shapes.count(first + "0.norms.", ".weight");
  unet.motion_max_frames =
      shapes.get(first + "0.attention_blocks.0.pos_encoder.pe", {1, kAnySize, kAnySize})[1];
}

nn::UNet3DConfig unet_shapes(const Shapes& shapes) {
  nn::UNet3DConfig unet;
  const auto conv_in = shapes.get("conv_in.weight", {kAnySize, kAnySize, 3, 3});
  unet.in_channels = conv_in[1];
  unet.block_out_channels = shapes.level_widths("down_blocks.", conv_in[0]);
  unet.out_channels =
      shapes.get("conv_out.weight", {kAnySize, unet.block_out_channels.front(), 3, 3})[0];
  unet.layers_per_block = shapes.count("down_blocks.0.resnets.", ".conv1.weight");
  unet.cross_attention_blocks.clear();
  for (size_t i = 0; i < unet.block_out_channels.size(); ++i) {
    const std::string block = "down_blocks." + std::to_string(i);
    unet.cross_attention_blocks.push_back(
        shapes.contains(block + kFirstTransformer + "norm1.weight"));
  }
  unet.cross_attention_dim = shapes.get("mid_block" + kFirstTransformer + "attn2.to_k.weight",
                                        {unet.block_out_channels.back(), kAnySize})[1];
  read_motion_shapes(shapes, unet);
  return unet;
}

std::vector<std::string> block_types(const std::vector<bool>& attention, const std::string& with,
                                     const std::string& without) {
  std::vector<std::string> types;
  for (const bool has : attention) types.push_back(has ? with : without);
  return types;
}

std::string flags_text(const std::vector<bool>& flags) {
  std::string text = "[";
  for (size_t i = 0; i < flags.size(); ++i) {
    text += std::string(i > 0 ? ", " : "") + (flags[i] ? "true" : "false");
  }
  return text + "]";
}

/// The motion modules that the reference's keys would make are those that the file has.
void compare_motion_blocks(ConfigSection& section, const nn::UNet3DConfig& unet) {
  const auto use = section.boolean("use_motion_module");
  const auto resolutions =
      section.integers("motion_module_resolutions").value_or(std::vector<int64_t>{1, 2, 4, 8});
  const bool decoder_only = section.boolean("motion_module_decoder_only").value_or(false);
  const bool mid = section.boolean("motion_module_mid_block").value_or(false);
  if (!use) return;
  const auto wanted_at = [&](int64_t level) {
    return *use && level >= 0 &&
           std::find(resolutions.begin(), resolutions.end(), int64_t{1} << level) !=
               resolutions.end();
  };
  std::vector<bool> down, up;
  for (int64_t i = 0; i < static_cast<int64_t>(unet.block_out_channels.size()); ++i) {
    down.push_back(!decoder_only && wanted_at(i));
    up.push_back(wanted_at(3 - i));  // the reference counts from four levels whatever there are
  }
  const auto compare = [&](const char* where, const std::vector<bool>& said,
                           const std::vector<bool>& found) {
    if (said == found) return;
    section.refuse_disagreement(
        "use_motion_module",
        std::string("motion modules in the ") + where + " blocks " + flags_text(said),
        flags_text(found));
  };
  compare("down", down, unet.motion_down_blocks);
  compare("up", up, unet.motion_up_blocks);
  compare("mid", {*use && mid}, {unet.motion_mid_block});
}

void complete_motion(ConfigSection& section, nn::UNet3DConfig& unet) {
  compare_motion_blocks(section, unet);
  section.only("motion_module_type", {"Vanilla"});
  ConfigSection motion = section.section("motion_module_kwargs");
  unet.motion_heads = motion.integer("num_attention_heads", 1, 1024).value_or(unet.motion_heads);
  const auto any =
      unet.motion_mid_block ||
      std::count(unet.motion_up_blocks.begin(), unet.motion_up_blocks.end(), true) +
              std::count(unet.motion_down_blocks.begin(), unet.motion_down_blocks.end(), true) >
          0;
  motion.only("temporal_position_encoding", {true});
  motion.only("temporal_attention_dim_div", {1});
  motion.only("cross_frame_attention_mode", {});
  motion.ignore({"zero_initialize"});
  const auto attentions = motion.texts("attention_block_types");
  for (const std::string& type : attentions.value_or(std::vector<std::string>{})) {
    if (type != "Temporal_Self") motion.only("attention_block_types", {});
  }
  motion.ignore({"num_transformer_block", "temporal_position_encoding_max_len"});
  if (any) {
    motion.agree("num_transformer_block", unet.motion_transformer_blocks);
    motion.agree("temporal_position_encoding_max_len", unet.motion_max_frames);
    if (attentions && static_cast<int64_t>(attentions->size()) != unet.motion_attentions) {
      motion.refuse_disagreement("attention_block_types", std::to_string(attentions->size()),
                                 std::to_string(unet.motion_attentions));
    }
  }
  motion.refuse_the_rest();
}

std::vector<int64_t> widths_with_motion(const nn::UNet3DConfig& unet) {
  const auto levels = unet.block_out_channels.size();
  std::vector<int64_t> widths;
  for (size_t i = 0; i < levels; ++i) {
    if (unet.motion_down_blocks[i] || unet.motion_up_blocks[levels - 1 - i]) {
      widths.push_back(unet.block_out_channels[i]);
    }
  }
  if (unet.motion_mid_block) widths.push_back(unet.block_out_channels.back());
  return widths;
}

void refuse_other_unets(ConfigSection& section) {
  section.only("act_fn", {"silu"});
  section.only("add_audio_layer", {true});
  section.only("center_input_sample", {false});
  section.only("class_embed_type", {});
  section.only("downsample_padding", {1});
  section.only("dual_cross_attention", {false});
  section.only("flip_sin_to_cos", {true});
  section.only("freq_shift", {0});
  section.only("mid_block_scale_factor", {1});
  section.only("mid_block_type", {"UNetMidBlock3DCrossAttn"});
  section.only("num_class_embeds", {});
  section.only("only_cross_attention", {false});
  section.only("resnet_time_scale_shift", {"default"});
  section.only("upcast_attention", {false});
  section.only("use_inflated_groupnorm", {false});
  section.only("use_linear_projection", {false});
  section.ignore({"sample_size"});
  section.refuse_the_rest();
}

}  // namespace

nn::UNet3DConfig unet_config(const TensorMap& state, const std::string& origin,
                             const ConfigFile& config) {
  const Shapes shapes(state, origin);
  nn::UNet3DConfig unet = unet_shapes(shapes);
  ConfigSection section = ConfigSection::of(config, "unet", "down_block_types", origin);
  section.agree("in_channels", unet.in_channels);
  section.agree("out_channels", unet.out_channels);
  section.agree("block_out_channels", unet.block_out_channels);
  section.agree("layers_per_block", unet.layers_per_block);
  section.agree("cross_attention_dim", unet.cross_attention_dim);
  section.agree("down_block_types",
                block_types(unet.cross_attention_blocks, "CrossAttnDownBlock3D", "DownBlock3D"));
  const std::vector<bool> up(unet.cross_attention_blocks.rbegin(),
                             unet.cross_attention_blocks.rend());
  section.agree("up_block_types", block_types(up, "CrossAttnUpBlock3D", "UpBlock3D"));
  unet.attention_heads =
      section.integer_for_all("attention_head_dim", 1, 1024).value_or(unet.attention_heads);
  unet.norm_groups = section.integer("norm_num_groups", 1, 1024).value_or(unet.norm_groups);
  unet.norm_eps = section.number("norm_eps", 1e-12, 1).value_or(unet.norm_eps);
  complete_motion(section, unet);
  refuse_other_unets(section);
  shapes.check_divides("unet.attention_head_dim", unet.attention_heads, unet.block_out_channels);
  shapes.check_divides("unet.norm_num_groups", unet.norm_groups, unet.block_out_channels);
  const auto with_motion = widths_with_motion(unet);
  shapes.check_divides("unet.motion_module_kwargs.num_attention_heads", unet.motion_heads,
                       with_motion);
  for (const int64_t width : with_motion) {
    if (width % nn::kMotionNormGroups == 0) continue;
    throw Error(ErrorCode::kForeignModel, "The model file \"" + origin +
                                              "\" has motion modules of " + std::to_string(width) +
                                              " channels; LatentSync needs a multiple of " +
                                              std::to_string(nn::kMotionNormGroups) + ".");
  }
  return unet;
}

}  // namespace latentsync::model
