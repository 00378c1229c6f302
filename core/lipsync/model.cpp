#include "core/lipsync/model.h"

#include "core/diffusion/ddim.h"
#include "core/lipsync/device.h"
#include "core/lipsync/failure.h"
#include "core/lipsync/planning.h"
#include "core/lipsync/render_settings.h"
#include "core/lipsync/session.h"
#include "core/memory/budget.h"
#include "core/model/sha256.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

namespace latentsync::lipsync {
namespace {

// What a session of NETWORKS is given. Errors: kOutOfMemory where no rung fits.
SessionMemory session_memory(const Networks& networks, SessionPlanner& planner,
                             const PlanRequest& request) {
  SessionMemory memory{.plan = planner.plan(request)};
  if (!memory.plan.fits()) throw refusal_of(memory.plan);
  memory.settings = planned_settings(request.settings, networks.info);
  memory.plan_for = [&planner, request](const RenderSettings& settings) {
    auto changed = request;
    changed.settings = settings;
    return planner.plan(changed);
  };
  const bool cpu = networks.device.is_cpu();
  if (request.memory.vram_budget == 0 && request.memory.vram_fraction == 0) {
    memory.available = [device = networks.device, settings = request.memory,
                        weights = networks.info.weight_bytes, cpu] {
      return memory::budget_of(settings, memory::device_memory(device, weights), cpu);
    };
  } else if (cpu) {
    memory.account_limit = std::max<int64_t>(1, memory.plan.budget - memory.plan.rung().weights);
  }
  return memory;
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
                                                   const PlanRequest& request,
                                                   const CacheSettings& cache) noexcept {
  return guarded([&]() -> std::unique_ptr<Session> {
    auto memory = session_memory(networks_, planner_, request);
    memory.shortages = shortages_;
    return std::make_unique<LipsyncSession>(shared_from_this(), context, lookahead_ns,
                                            std::move(memory), cache);
  });
}

}  // namespace latentsync::lipsync
