#pragma once

#include "core/engine.h"

namespace latentsync::fake {

/// A plan for a device of 8192 MiB with the rungs "whole", "vae-tiles", "window-12" and "window-8",
/// which need 4000, 3000, 2000 and 1000 MiB, the first two less with a shorter window; a byte for
/// each pixel of a window's frames is a part of it. Automatic: 7000 MiB.
MemoryPlan fake_plan(const PlanRequest& request);

/// The same, at least LOWER rungs below the first that fits, if there are so many.
MemoryPlan lowered(MemoryPlan plan, int64_t lower);

}  // namespace latentsync::fake
