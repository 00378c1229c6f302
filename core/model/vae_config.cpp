#include "core/model/config.h"
#include "core/model/config_section.h"
#include "core/model/shapes.h"

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace latentsync::model {

nn::AutoencoderKLConfig vae_config(const TensorMap& state, const std::string& origin,
                                   const ConfigFile& config) {
  const Shapes shapes(state, origin);
  nn::AutoencoderKLConfig vae;
  const auto conv_in = shapes.get("encoder.conv_in.weight", {kAnySize, kAnySize, 3, 3});
  vae.in_channels = conv_in[1];
  vae.block_out_channels = shapes.level_widths("encoder.down_blocks.", conv_in[0]);
  vae.layers_per_block = shapes.count("encoder.down_blocks.0.resnets.", ".conv1.weight");
  vae.out_channels =
      shapes.get("decoder.conv_out.weight", {kAnySize, vae.block_out_channels.front(), 3, 3})[0];
  vae.latent_channels =
      shapes.get("decoder.conv_in.weight", {vae.block_out_channels.back(), kAnySize, 3, 3})[1];

  ConfigSection section = ConfigSection::of(config, "vae", "latent_channels", origin);
  if (const auto type = section.text("type"); type && (*type == "taesd" || *type == "tiny")) {
    return vae;  // The section is about the other autoencoder of the folder.
  }
  const size_t levels = vae.block_out_channels.size();
  section.agree("in_channels", vae.in_channels);
  section.agree("out_channels", vae.out_channels);
  section.agree("latent_channels", vae.latent_channels);
  section.agree("block_out_channels", vae.block_out_channels);
  section.agree("layers_per_block", vae.layers_per_block);
  section.agree("down_block_types", std::vector<std::string>(levels, "DownEncoderBlock2D"));
  section.agree("up_block_types", std::vector<std::string>(levels, "UpDecoderBlock2D"));
  vae.norm_groups = section.integer("norm_num_groups", 1, 1024).value_or(vae.norm_groups);
  vae.scaling_factor = section.number("scaling_factor", 1e-6, 1e6).value_or(vae.scaling_factor);
  vae.shift_factor = section.number("shift_factor", -1e6, 1e6).value_or(vae.shift_factor);
  section.only("act_fn", {"silu"});
  section.only("latents_mean", {});
  section.only("latents_std", {});
  section.only("mid_block_add_attention", {true});
  section.only("use_post_quant_conv", {true});
  section.only("use_quant_conv", {true});
  section.only("image_range", {nlohmann::json::array({-1, 1})});
  section.ignore({"sample_size", "force_upcast"});
  section.refuse_the_rest();
  shapes.check_divides("vae.norm_num_groups", vae.norm_groups, vae.block_out_channels);
  return vae;
}

}  // namespace latentsync::model
