#include "core/memory/plan.h"

#include "core/memory/ladder.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace latentsync::memory {
namespace {

constexpr int64_t kMiB = 1 << 20;

// Of CUDA's libraries, on the engine's one stream: cuBLAS' and cuBLASLt's workspaces (32 MiB each
// on Hopper, 8 elsewhere), cuDNN's plans, and the rests of the allocator's segments of 20 MiB.
constexpr int64_t kCudaWorkspaces = 128 * kMiB;

c10::ScalarType dtype_of(const std::string& precision) {
  if (precision == "float16") return at::kHalf;
  if (precision == "bfloat16") return at::kBFloat16;
  return at::kFloat;
}

LadderRequest ladder_request(const PlanInput& input) {
  return {.settings = input.settings,
          .memory = input.memory,
          .window_frames = input.window_frames,
          .most_vae_batch = input.most_vae_batch,
          .cuda = input.is_cuda(),
          .full_vae = input.full_vae};
}

std::string mib(int64_t bytes) { return std::to_string((bytes + kMiB - 1) / kMiB) + " MiB"; }

// A change of one setting, as people write it.
struct Change {
  std::string setting;
  PlanInput input;
};

// Cheapest first, by what it does to the result.
std::vector<Change> possible_changes(const PlanInput& input, bool has_tiny_vae) {
  std::vector<Change> changes;
  const auto offer = [&](std::string setting, const auto& change) {
    PlanInput changed = input;
    change(changed);
    changes.push_back({std::move(setting), std::move(changed)});
  };
  if (input.settings.vae_batch > 1) {
    offer("batch-size=0", [](PlanInput& changed) { changed.settings.vae_batch = 0; });
  }
  if (input.memory.optimization_level == OptimizationLevel::kConservative) {
    offer("optimization-level=balanced", [](PlanInput& changed) {
      changed.memory.optimization_level = OptimizationLevel::kBalanced;
    });
  }
  if (input.full_vae && has_tiny_vae) {
    offer("vae=tiny", [](PlanInput& changed) { changed.full_vae = false; });
  }
  if (input.settings.attention == Attention::kStandard) {
    offer("attention-mode=flash",
          [](PlanInput& changed) { changed.settings.attention = Attention::kFlash; });
  }
  if (input.precision == "float32") {
    const std::string half = input.is_cuda() ? "float16" : "bfloat16";
    offer("precision=" + half, [&](PlanInput& changed) { changed.precision = half; });
  }
  for (int64_t edge = (input.settings.resolution - 1) / 64 * 64; edge >= 128; edge -= 64) {
    offer("resolution=" + std::to_string(edge),
          [&](PlanInput& changed) { changed.settings.resolution = edge; });
  }
  for (const int64_t window : {8, 4, 1}) {
    if (window >= input.window_frames) continue;
    offer("window-frames=" + std::to_string(window),
          [&](PlanInput& changed) { changed.window_frames = window; });
  }
  return changes;
}

}  // namespace

Planner::Planner(NetworkConfigs configs, bool has_tiny_vae)
    : configs_(std::move(configs)), has_tiny_vae_(has_tiny_vae) {}

DryRun& Planner::dry_run(const PlanInput& input) {
  auto& known = dry_runs_[{input.full_vae, input.precision, input.is_cuda()}];
  if (!known) {
    auto configs = configs_;
    if (!input.full_vae) configs.vae.reset();
    known = std::make_unique<DryRun>(configs, dtype_of(input.precision),
                                     input.is_cuda() ? Rounding::kCaching : Rounding::kNone);
  }
  return *known;
}

PlannedRung Planner::measure(const PlanInput& input, const Rung& rung) {
  auto planned =
      dry_run(input).run(rung, input.settings, input.window_frames, input.width, input.height);
  if (input.is_cuda()) planned.workspaces = kCudaWorkspaces;
  planned.peak += planned.workspaces;
  return planned;
}

int64_t Planner::least(const PlanInput& input) {
  return measure(input, make_ladder(ladder_request(input)).back()).peak;
}

MemoryPlan Planner::plan(const PlanInput& input) {
  MemoryPlan plan{.device = input.device,
                  .precision = input.precision,
                  .resolution = input.settings.resolution,
                  .total = input.available.total,
                  .free = input.available.free,
                  .budget = budget_of(input.memory, input.available, !input.is_cuda())};
  // The allocator's limit follows from the budget, and does not count what others allocate.
  if (input.is_cuda()) plan.budget = std::max<int64_t>(0, plan.budget - input.frame_bytes);
  for (const auto& rung : make_ladder(ladder_request(input))) {
    auto planned = measure(input, rung);
    // A measure that saves nothing by itself is part of the next that does.
    if (!plan.ladder.empty() && planned.peak >= plan.ladder.back().peak) continue;
    plan.ladder.push_back(std::move(planned));
  }
  const auto fitting = std::ranges::find_if(
      plan.ladder, [&](const PlannedRung& rung) { return rung.peak <= plan.budget; });
  if (fitting != plan.ladder.end()) {
    plan.chosen = fitting - plan.ladder.begin();
  } else {
    plan.advice = advice(input, plan.budget, plan.ladder.back().peak);
  }
  return plan;
}

std::string Planner::advice(const PlanInput& input, int64_t budget, int64_t needed) {
  std::string text = "The model needs " + mib(needed) + " on " + input.device +
                     " with these settings, but may take " + mib(budget);
  if (input.available.free >= 0) text += "; " + mib(input.available.free) + " are free";
  text += ". ";
  for (const auto& change : possible_changes(input, has_tiny_vae_)) {
    const int64_t peak = least(change.input);
    if (peak <= budget) return text + "Set " + change.setting + ", which needs " + mib(peak) + ".";
  }
  const bool capped = input.memory.vram_budget != 0 || input.memory.vram_fraction > 0;
  return text +
         "No other single setting fits: " + (capped ? "give it more by vram-budget, or " : "") +
         "use a device with more memory or a smaller model.";
}

}  // namespace latentsync::memory
