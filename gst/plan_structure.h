#pragma once

#include "core/memory_plan.h"

#include <gst/gst.h>

namespace latentsync {

/// How long a window is to be for a plan with at least one rung. A longer one than the rung's is
/// rendered in equal parts, and planned for as such: the length of these.
int window_frames_of(const MemoryPlan& plan);

/// The structure `latentsync-plan` of a plan with at least one rung. Ownership goes to the caller.
GstStructure* plan_structure(const MemoryPlan& plan);

}  // namespace latentsync
