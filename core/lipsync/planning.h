#pragma once

#include "core/engine.h"
#include "core/lipsync/networks.h"

/// Memory plans for models: from their files, and for one that is loaded.
namespace latentsync::lipsync {

/// Engine::plan(). Errors: those of find_source(), read_headers() and resolve_settings().
MemoryPlan plan_model(const PlanRequest& request);

/// The plan for a session of NETWORKS beside what else is on their device; REQUEST's model is not
/// looked at. Errors: those of resolve_settings().
MemoryPlan plan_session(const Networks& networks, const PlanRequest& request);

}  // namespace latentsync::lipsync
