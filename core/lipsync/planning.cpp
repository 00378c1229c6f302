#include "core/lipsync/planning.h"

#include "core/lipsync/device.h"
#include "core/lipsync/render_settings.h"
#include "core/nn/autoencoder_kl.h"

#include <algorithm>
#include <limits>
#include <utility>

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
          .height = request.height,
          .frame_bytes = request.frame_bytes};
}

}  // namespace

MemoryPlan plan_model(const PlanRequest& request,
                      const std::function<int64_t(const ModelSource&)>& loaded) {
  const auto [source, is_here] = find_planned_source(request);
  const auto headers = read_headers(source);
  auto input = plan_input(request, headers.info);
  if (is_here) input.available = memory::device_memory(source.device, loaded(source));
  memory::Planner planner(headers.configs, source.folder.taesd.has_value());
  return planner.plan(input);
}

MemoryPlan SessionPlanner::plan(const PlanRequest& request) {
  auto input = plan_input(request, networks_.info);
  // The weights are there already, and part of the plan.
  input.available = memory::device_memory(networks_.device, networks_.info.weight_bytes);
  const std::lock_guard lock(mutex_);
  if (!planner_) {
    memory::NetworkConfigs configs{.unet = networks_.unet->config(),
                                   .whisper = networks_.whisper->config()};
    if (const auto* full = dynamic_cast<const nn::AutoencoderKL*>(networks_.vae.get())) {
      configs.vae = full->config();
    }
    planner_.emplace(std::move(configs), /*has_tiny_vae=*/false);
  }
  return planner_->plan(input);
}

}  // namespace latentsync::lipsync
