#pragma once

#include "core/engine.h"
#include "core/lipsync/networks.h"
#include "core/memory/plan.h"

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

/// Memory plans for models: from their files, and for one that is loaded.
namespace latentsync::lipsync {

/// Engine::plan(). LOADED: bytes of the weights that the model of a source has in memory already;
/// the plan's own weights need no room beside them. Errors: those of find_source(), read_headers()
/// and resolve_settings().
MemoryPlan plan_model(const PlanRequest& request,
                      const std::function<int64_t(const ModelSource&)>& loaded);

/// Plans for the sessions of a model that is loaded. Dry runs are remembered: a second plan costs
/// little. For several threads.
class SessionPlanner {
 public:
  /// NETWORKS must outlive this object.
  explicit SessionPlanner(const Networks& networks) : networks_(networks) {}

  /// For a session beside what else is on the device; REQUEST's model is not looked at. Errors:
  /// those of resolve_settings().
  MemoryPlan plan(const PlanRequest& request);

 private:
  const Networks& networks_;
  std::mutex mutex_;
  std::optional<memory::Planner> planner_;
};

}  // namespace latentsync::lipsync
