#include "core/lipsync/planning.h"

#include "core/lipsync/device.h"
#include "core/lipsync/render_settings.h"
#include "core/memory/plan.h"
#include "core/nn/autoencoder_kl.h"

#include <algorithm>
#include <limits>

namespace latentsync::lipsync {
namespace {

struct PlannedSource {
  ModelSource source;
  bool is_here = true;  // its device
};

// A CUDA device that is not there can be planned for where the budget says how large it is.
PlannedSource find_planned_source(const PlanRequest& request) {
  try {
    return {find_source(request.model)};
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kDevice || request.memory.vram_budget <= 0) throw;
  }
  auto settings = request.model;
  settings.device = "cpu";
  PlannedSource planned{find_source(settings), false};
  auto& source = planned.source;
  const c10::Device named(request.model.device);
  source.device = {named.type(), std::max<c10::DeviceIndex>(0, named.index())};
  source.dtype = find_precision(request.model.precision, source.device, source.folder.unet);
  return planned;
}

memory::PlanInput plan_input(const PlanRequest& request, const ModelInfo& info) {
  auto settings = request.settings;
  settings.vae_batch = std::numeric_limits<int64_t>::max();
  const int64_t most_vae_batch = resolve_settings(settings, info).vae_batch;
  settings = resolve_settings(request.settings, info);
  if (request.settings.vae_batch == 0) settings.vae_batch = 0;
  return {.device = info.device,
          .precision = info.precision,
          .full_vae = info.vae == "full",
          .most_vae_batch = most_vae_batch,
          .settings = settings,
          .memory = request.memory,
          .window_frames = std::clamp<int64_t>(request.window_frames, 1, info.most_window_frames),
          .width = request.width,
          .height = request.height};
}

}  // namespace

MemoryPlan plan_model(const PlanRequest& request) {
  const auto [source, is_here] = find_planned_source(request);
  const auto headers = read_headers(source);
  auto input = plan_input(request, headers.info);
  if (is_here) input.available = memory::device_memory(source.device);
  memory::Planner planner(headers.configs, source.folder.taesd.has_value());
  return planner.plan(input);
}

MemoryPlan plan_session(const Networks& networks, const PlanRequest& request) {
  memory::NetworkConfigs configs{.unet = networks.unet->config(),
                                 .whisper = networks.whisper->config()};
  if (const auto* full = dynamic_cast<const nn::AutoencoderKL*>(networks.vae.get())) {
    configs.vae = full->config();
  }
  auto input = plan_input(request, networks.info);
  // The weights are there already, and part of the plan.
  input.available = memory::device_memory(networks.device, networks.info.weight_bytes);
  memory::Planner planner(configs, /*has_tiny_vae=*/false);
  return planner.plan(input);
}

}  // namespace latentsync::lipsync
