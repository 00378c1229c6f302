#include "tests/gst/fake_plan.h"

#include <algorithm>
#include <iterator>

namespace latentsync::fake {
namespace {

constexpr int64_t kMebibyte = 1 << 20;
constexpr int64_t kTotal = 8192 * kMebibyte;
constexpr int64_t kAutomatic = 7000 * kMebibyte;

int64_t budget_of(const MemorySettings& memory) {
  if (memory.vram_budget > 0) return memory.vram_budget * kMebibyte;
  if (memory.vram_budget < 0) return std::max<int64_t>(kTotal + memory.vram_budget * kMebibyte, 0);
  return memory.vram_fraction > 0 ? static_cast<int64_t>(memory.vram_fraction * kTotal)
                                  : kAutomatic;
}

PlannedRung planned(const PlanRequest& request, const Rung& rung, int64_t mebibytes) {
  PlannedRung result{.rung = rung, .peak = mebibytes * kMebibyte};
  result.weights = 500 * kMebibyte;
  result.workspaces = 100 * kMebibyte;
  result.frames = request.width * request.height * rung.window_frames;
  const int64_t most = result.peak - result.weights - result.workspaces - result.frames;
  result.stages = {{"face", most / 16}, {"audio", most / 32}, {"encode", most / 4},
                   {"denoise", most},   {"decode", most / 2}, {"paste", most / 64}};
  return result;
}

}  // namespace

MemoryPlan fake_plan(const PlanRequest& request) {
  MemoryPlan plan;
  plan.device = request.model.device == "auto" ? "cpu" : request.model.device;
  plan.precision = "float32";
  plan.resolution = request.settings.resolution > 0 ? request.settings.resolution : 64;
  plan.total = kTotal;
  plan.free = kTotal;
  plan.budget = budget_of(request.memory);
  const int64_t most = std::min<int64_t>(request.window_frames, 16);
  Rung rung{.name = "whole", .window_frames = request.window_frames};
  plan.ladder.push_back(planned(request, rung, 250 * most));
  rung.name = "vae-tiles";
  rung.vae_tile = 64;
  plan.ladder.push_back(planned(request, rung, 3000 * most / 16));
  for (const int64_t frames : {12, 8}) {
    if (frames >= request.window_frames) continue;
    rung.name = "window-" + std::to_string(frames);
    rung.window_frames = frames;
    plan.ladder.push_back(planned(request, rung, frames == 12 ? 2000 : 1000));
  }
  const auto fits = std::find_if(plan.ladder.begin(), plan.ladder.end(),
                                 [&](const auto& each) { return each.peak <= plan.budget; });
  if (fits != plan.ladder.end()) {
    plan.chosen = std::distance(plan.ladder.begin(), fits);
  } else {
    plan.advice = "Too little memory for the fake engine: set vram-budget=" +
                  std::to_string(plan.ladder.back().peak / kMebibyte) + ".";
  }
  return plan;
}

MemoryPlan lowered(MemoryPlan plan, int64_t lower) {
  plan.chosen = std::min(plan.chosen + lower, static_cast<int64_t>(plan.ladder.size()) - 1);
  return plan;
}

}  // namespace latentsync::fake
