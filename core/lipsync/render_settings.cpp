#include "core/lipsync/render_settings.h"

#include <algorithm>
#include <limits>
#include <sstream>

namespace latentsync::lipsync {
namespace {

// VAE frames at once are as many as fit into the pixels of four at 512 x 512, whose activations
// take about 2 GB in float32; but no more than the usual window.
constexpr int64_t kVaePixels = 4 * 512 * 512;
constexpr int64_t kMostVaeBatch = 16;
// The widest tensor of the autoencoder has so many channels at the full resolution, and LibTorch
// counts some operators' elements in 32 bits.
constexpr int64_t kVaeChannels = 256;
constexpr int64_t kMostVaeElements = std::numeric_limits<int32_t>::max();

template <typename Number>
void require(const char* property, Number value, Number least, Number most,
             const char* also = nullptr) {
  if (value >= least && value <= most) return;
  std::ostringstream text;
  text << property << " is " << value << ", but must be ";
  if (most == std::numeric_limits<Number>::max()) {
    text << least << " or more";
  } else {
    text << "from " << least << " to " << most;
  }
  if (also != nullptr) text << also;
  text << ".";
  throw Error(ErrorCode::kInvalidArgument, text.str());
}

}  // namespace

nn::AttentionMode attention_mode(Attention attention) {
  switch (attention) {
    case Attention::kFlash:
      return nn::AttentionMode::kFlash;
    case Attention::kStandard:
      return nn::AttentionMode::kStandard;
    case Attention::kFlex:
      break;
  }
  return nn::AttentionMode::kFlex;
}

RenderSettings resolve_settings(const RenderSettings& settings, const ModelInfo& info) {
  constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
  RenderSettings resolved = settings;
  require<int64_t>("seed", settings.seed, 0, kNoLimit);
  require("lips-expression", settings.guidance_scale, 1.0, 3.0);
  require<int64_t>("inference-steps", settings.inference_steps, 0, 999, " (0: the model's own)");
  require<int64_t>("feature-cache", settings.feature_cache, -1, 10, " (-1: the model's own)");
  require<int64_t>("batch-size", settings.vae_batch, 0, kNoLimit);
  require("the nearest face's x", settings.nearest_x, 0.0, 1.0);
  require("the nearest face's y", settings.nearest_y, 0.0, 1.0);
  if (settings.inference_steps == 0) resolved.inference_steps = info.inference_steps;
  if (settings.feature_cache < 0) resolved.feature_cache = info.feature_cache;
  if (settings.resolution == 0) resolved.resolution = info.resolution;
  require<int64_t>("resolution", resolved.resolution, 128, 1024, ", a multiple of 64");
  if (resolved.resolution % 64 != 0) {
    throw Error(
        ErrorCode::kInvalidArgument,
        "resolution is " + std::to_string(resolved.resolution) + ", but must be a multiple of 64.");
  }
  const int64_t pixels = resolved.resolution * resolved.resolution;
  if (settings.vae_batch == 0) {
    resolved.vae_batch = std::clamp<int64_t>(kVaePixels / pixels, 1, kMostVaeBatch);
  }
  resolved.vae_batch = std::min(resolved.vae_batch, kMostVaeElements / (kVaeChannels * pixels));
  return resolved;
}

RenderSettings planned_settings(const RenderSettings& settings, const ModelInfo& info) {
  auto planned = resolve_settings(settings, info);
  planned.vae_batch = settings.vae_batch;
  return planned;
}

}  // namespace latentsync::lipsync
