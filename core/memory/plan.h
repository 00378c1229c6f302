#pragma once

#include "core/memory/budget.h"
#include "core/memory/dry_run.h"
#include "core/memory_plan.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <c10/core/ScalarType.h>

/// The memory plan: the first way to run a window that fits into the budget.
namespace latentsync::memory {

/// What a plan is made from.
struct PlanInput {
  std::string device;     ///< cpu, cuda:0
  std::string precision;  ///< float32, bfloat16, float16
  bool full_vae = true;
  int64_t most_vae_batch = 16;  ///< frames that the VAE can take at once
  RenderSettings settings;  ///< resolved, but vae_batch as the caller has it: 0 is the engine's own
  MemorySettings memory;
  int64_t window_frames = 16;
  int64_t width = 1920;  ///< of the frames, pixels
  int64_t height = 1080;
  int64_t frame_bytes = 0;  ///< of frames that lie on a CUDA device beside the plan: of the budget
  DeviceMemory available;

  bool is_cuda() const { return device.starts_with("cuda"); }
};

/// Makes plans for one model. Dry runs are remembered: a second plan costs little. For one thread
/// at a time.
class Planner {
 public:
  /// has_tiny_vae: whether vae=tiny can be advised.
  Planner(NetworkConfigs configs, bool has_tiny_vae);

  /// Never fails for want of memory: where no rung fits, the plan says what would.
  MemoryPlan plan(const PlanInput& input);

 private:
  struct Variant {
    bool full_vae;
    std::string precision;
    bool cuda;
    auto operator<=>(const Variant&) const = default;
  };

  DryRun& dry_run(const PlanInput& input);
  PlannedRung measure(const PlanInput& input, const Rung& rung);
  std::string advice(const PlanInput& input, int64_t budget, int64_t needed);
  /// The peak of the last rung that INPUT's settings allow.
  int64_t least(const PlanInput& input);

  NetworkConfigs configs_;
  bool has_tiny_vae_;
  std::map<Variant, std::unique_ptr<DryRun>> dry_runs_;
};

}  // namespace latentsync::memory
