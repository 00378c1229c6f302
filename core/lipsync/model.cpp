#include "core/lipsync/model.h"

#include "core/diffusion/ddim.h"
#include "core/lipsync/device.h"
#include "core/lipsync/failure.h"
#include "core/lipsync/render_settings.h"
#include "core/lipsync/session.h"
#include "core/model/sha256.h"

#include <atomic>
#include <cstdint>
#include <limits>
#include <utility>

namespace latentsync::lipsync {
namespace {

// One rung, that of the settings, whatever it needs.
MemoryPlan unlimited(const ModelInfo& info) {
  Rung whole{.name = "whole",
             .vae_batch = std::numeric_limits<int64_t>::max(),
             .window_frames = info.most_window_frames};
  return {.device = info.device,
          .precision = info.precision,
          .resolution = info.resolution,
          .ladder = {{.rung = std::move(whole)}},
          .chosen = 0};
}

std::atomic<int64_t> models = 0;  // in memory: LibTorch's workspaces belong to the process

}  // namespace

// Loading leaves holes where tensors were laid out anew.
LoadedModel::LoadedModel(Networks networks, std::shared_ptr<model::ContentHashes> hashes)
    : networks_(std::move(networks)), hashes_(std::move(hashes)) {
  ++models;
  give_back_memory(networks_.device, /*workspaces=*/false);
}

LoadedModel::~LoadedModel() {
  const auto device = networks_.device;
  networks_ = {};
  const bool last = --models == 0;
  give_back_memory(device, last);
}

std::optional<std::string> LoadedModel::content_hash() const {
  model::Sha256 all;
  for (const auto& [file, identity] : networks_.files) {
    const auto hash = identity ? hashes_->of(file, *identity) : std::nullopt;
    if (!hash) return std::nullopt;
    all.update({reinterpret_cast<const uint8_t*>(hash->data()), hash->size()});
  }
  if (networks_.files.empty()) return std::nullopt;
  return model::hexadecimal(all.finish());
}

Result<RenderSettings> LoadedModel::resolve(const RenderSettings& settings) const noexcept {
  return guarded([&] {
    auto resolved = resolve_settings(settings, networks_.info);
    // The number of steps must fit the model's schedule.
    const diffusion::DdimScheduler scheduler(resolved.inference_steps, networks_.scheduler);
    return resolved;
  });
}

Result<std::unique_ptr<Session>> LoadedModel::open(AudioContext context, int64_t lookahead_ns,
                                                   const PlanRequest& /*request*/) noexcept {
  return guarded([&]() -> std::unique_ptr<Session> {
    return std::make_unique<LipsyncSession>(shared_from_this(), context, lookahead_ns,
                                            SessionMemory{.plan = unlimited(networks_.info)});
  });
}

}  // namespace latentsync::lipsync
