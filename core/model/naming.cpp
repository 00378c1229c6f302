#include "core/model/naming.h"

#include "core/error.h"
#include "core/model/extra_tensors.h"
#include "core/model/tensor_listing.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace latentsync::model {
namespace {

bool any_name_starts_with(const TensorMap& tensors, std::string_view prefix) {
  const auto first = tensors.lower_bound(std::string(prefix));
  return first != tensors.end() && first->first.starts_with(prefix);
}

void insert_once(TensorMap& target, std::string name, const at::Tensor& tensor,
                 const std::string& origin) {
  const auto [place, is_new] = target.emplace(std::move(name), tensor);
  if (!is_new) {
    throw Error(ErrorCode::kForeignModel, "The model file \"" + origin + "\" holds the tensor " +
                                              name_text(place->first) +
                                              " under two names. Convert it again.");
  }
}

/// Only the tensors whose names begin with PREFIX, without it.
TensorMap below(const TensorMap& tensors, std::string_view prefix) {
  TensorMap result;
  for (auto entry = tensors.lower_bound(std::string(prefix));
       entry != tensors.end() && entry->first.starts_with(prefix); ++entry) {
    result.emplace(entry->first.substr(prefix.size()), entry->second);
  }
  return result;
}

TensorMap below_if_any(TensorMap tensors, std::string_view prefix) {
  return any_name_starts_with(tensors, prefix) ? below(tensors, prefix) : std::move(tensors);
}

std::vector<std::string> split(std::string_view name) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    parts.emplace_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::string join(const std::vector<std::string>& parts) {
  std::string name;
  for (const std::string& part : parts) name += (name.empty() ? "" : ".") + part;
  return name;
}

using Renames = std::span<const std::pair<std::string_view, std::string_view>>;

std::string renamed(const std::string& part, Renames renames) {
  for (const auto& [from, to] : renames) {
    if (part == from) return std::string(to);
  }
  return part;
}

/// The number of a resolution level; -1 for anything else.
int64_t level_number(const std::string& part) {
  constexpr int64_t kMostLevels = 64;
  int64_t number = -1;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
  const bool whole = error == std::errc() && end == part.data() + part.size();
  return whole && number >= 0 && number < kMostLevels ? number : -1;
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kAttentionRenames = {{
    {"norm", "group_norm"},
    {"q", "to_q"},
    {"k", "to_k"},
    {"v", "to_v"},
    {"proj_out", "to_out.0"},
}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kOldAttentionRenames = {{
    {"query", "to_q"},
    {"key", "to_k"},
    {"value", "to_v"},
    {"proj_attn", "to_out.0"},
}};

/// One name of the original autoencoder ("encoder.down.0.block.1.conv1.weight") in diffusers' way.
/// `levels`: how many levels the decoder has; it counts them from the other end. Names of no known
/// form come back as they are.
std::string diffusers_name(const std::string& name, int64_t levels) {
  std::vector<std::string> parts = split(name);
  if (parts.size() < 3 || (parts[0] != "encoder" && parts[0] != "decoder")) return name;
  if (parts[1] == "norm_out") {
    parts[1] = "conv_norm_out";
  } else if (parts[1] == "mid" && (parts[2] == "block_1" || parts[2] == "block_2")) {
    parts[1] = "mid_block";
    parts[2] = parts[2] == "block_1" ? "resnets.0" : "resnets.1";
  } else if (parts[1] == "mid" && parts[2] == "attn_1" && parts.size() > 3) {
    parts[1] = "mid_block";
    parts[2] = "attentions.0";
    parts[3] = renamed(parts[3], kAttentionRenames);
  } else if ((parts[1] == "down" || parts[1] == "up") && parts.size() > 4) {
    const bool up = parts[1] == "up";
    const int64_t level = level_number(parts[2]);
    if (level < 0) return name;
    parts[1] += "_blocks";
    parts[2] = std::to_string(up ? levels - 1 - level : level);
    if (parts[3] == "block") parts[3] = "resnets";
    if (parts[3] == "downsample") parts[3] = "downsamplers.0";
    if (parts[3] == "upsample") parts[3] = "upsamplers.0";
  } else {
    return name;
  }
  for (std::string& part : parts) {
    if (part == "nin_shortcut") part = "conv_shortcut";
  }
  return join(parts);
}

int64_t decoder_levels(const TensorMap& tensors) {
  int64_t levels = 0;
  for (const auto& [name, tensor] : tensors) {
    if (!name.starts_with("decoder.up.")) continue;
    levels = std::max(levels, level_number(split(name)[2]) + 1);
  }
  return levels;
}

TensorMap from_original_names(const TensorMap& tensors, const std::string& origin) {
  const int64_t levels = decoder_levels(tensors);
  TensorMap result;
  for (const auto& [name, tensor] : tensors) {
    // Beside the autoencoder such files hold its training losses.
    const bool belongs = name.starts_with("encoder.") || name.starts_with("decoder.") ||
                         name.starts_with("quant_conv.") || name.starts_with("post_quant_conv.");
    if (belongs) insert_once(result, diffusers_name(name, levels), tensor, origin);
  }
  return result;
}

/// Attention as diffusers has it today: its names, and linear weights where older files have 1x1
/// convolutions.
TensorMap with_todays_attention(const TensorMap& tensors, const std::string& origin) {
  TensorMap result;
  for (const auto& [name, tensor] : tensors) {
    std::vector<std::string> parts = split(name);
    const bool attention = parts.size() > 4 && parts[1] == "mid_block" && parts[2] == "attentions";
    if (!attention) {
      insert_once(result, name, tensor, origin);
      continue;
    }
    parts[4] = renamed(parts[4], kOldAttentionRenames);
    const bool convolution = tensor.dim() == 4 && tensor.size(2) == 1 && tensor.size(3) == 1;
    insert_once(result, join(parts), convolution ? tensor.squeeze(3).squeeze(2) : tensor, origin);
  }
  return result;
}

}  // namespace

TensorMap unet_state(const TensorFile& file, std::vector<std::string>* left_out) {
  return without_extra_tensors(below_if_any(below_if_any(file.tensors, "state_dict."), "module."),
                               left_out);
}

TensorMap whisper_encoder_state(const TensorFile& file, std::vector<std::string>* left_out) {
  TensorMap encoder =
      below(below_if_any(below_if_any(file.tensors, "model_state_dict."), "module."), "encoder.");
  if (!encoder.contains("conv1.weight"))
    refuse_foreign(file.path.string(), "it contains no Whisper audio encoder", file.tensors);
  return without_extra_tensors(std::move(encoder), left_out);
}

TensorMap vae_state(const TensorFile& file, std::vector<std::string>* left_out) {
  TensorMap tensors = without_extra_tensors(
      below_if_any(below_if_any(below_if_any(file.tensors, "state_dict."), "module."),
                   "first_stage_model."),
      left_out);
  const std::string origin = file.path.string();
  if (any_name_starts_with(tensors, "encoder.down.")) {
    tensors = from_original_names(tensors, origin);
  }
  if (!tensors.contains("encoder.conv_in.weight"))
    refuse_foreign(origin, "it contains no autoencoder (VAE)", file.tensors);
  return with_todays_attention(tensors, origin);
}

std::string describe_model(const TensorMap& tensors) {
  const auto contains = [&](std::string_view part) {
    return std::any_of(tensors.begin(), tensors.end(), [part](const auto& entry) {
      return entry.first.find(part) != std::string::npos;
    });
  };
  if (contains("model.diffusion_model.")) return "a complete Stable Diffusion checkpoint";
  if (contains("lora_") || contains(".lora")) return "a LoRA, not a complete model";
  if (contains("motion_modules.") && contains("attn2.to_k")) return "LatentSync's UNet";
  if (contains("down_blocks.") && contains("attn2.to_k")) return "a UNet without motion modules";
  if (contains("encoder.down_blocks.") || contains("encoder.down.0.block.")) {
    return "an autoencoder (VAE)";
  }
  if (contains("blocks.0.attn.query.weight")) return "Whisper in OpenAI's names";
  if (contains("encoder.layers.0.self_attn.")) {
    return "Whisper in the names of transformers; take OpenAI's own tiny.pt";
  }
  if (contains("1.conv.0.weight") || contains("3.conv.0.weight")) return "TAESD";
  if (contains("audio_encoder.") || contains("visual_encoder.")) return "a SyncNet";
  return "";
}

namespace {

/// What stands before the names of a network that is whole but for it ("model."); empty where there
/// is none.
std::string foreign_prefix(const TensorMap& tensors) {
  // A tensor of each network, and one more that tells it from the others.
  constexpr std::pair<std::string_view, std::string_view> kSigns[] = {
      {"time_embedding.linear_1.weight", "conv_in.weight"},
      {"encoder.conv1.weight", "encoder.blocks.0.attn.query.weight"},
      {"encoder.conv_in.weight", "decoder.conv_in.weight"}};
  for (const auto& [sign, other] : kSigns) {
    for (const auto& [name, tensor] : tensors) {
      if (name.size() <= sign.size() + 1 || !name.ends_with(sign)) continue;
      const std::string prefix = name.substr(0, name.size() - sign.size());
      if (prefix.ends_with('.') && tensors.contains(prefix + std::string(other))) return prefix;
    }
  }
  return {};
}

}  // namespace

void refuse_foreign(const std::string& origin, const std::string& what, const TensorMap& tensors) {
  const std::string looks_like = describe_model(tensors);
  const std::string prefix = foreign_prefix(tensors);
  throw Error(ErrorCode::kForeignModel,
              "The model file \"" + origin + "\" does not fit: " + what +
                  (looks_like.empty() ? "." : ". It looks like " + looks_like + ".") +
                  (prefix.empty() ? ""
                                  : " Its names begin with " + name_text(prefix) +
                                        ": save the tensors without it, or the dict of that name "
                                        "alone."));
}

}  // namespace latentsync::model
