#pragma once

#include "core/memory_plan.h"

#include <gst/gst.h>

namespace latentsync {

/// The structure `latentsync-plan` of a plan with at least one rung. Ownership goes to the caller.
GstStructure* plan_structure(const MemoryPlan& plan);

}  // namespace latentsync
