#pragma once

#include "examples/transcode/shard_plan.h"

#include <string>

namespace latentsync::transcode {

/// The file of ROLE that the user named NAME; of "model" its folder. Reads all of it. Throws
/// Problem (kNoRetry): it is no file that other machines could read, or not there.
PlannedFile planned_file(const std::string& role, const std::string& name);

/// Throws Problem (kNoRetry) unless the files of PLAN with ROLES are as they were, by size and time
/// or by content.
void check_planned_files(const ShardPlan& plan, std::initializer_list<const char*> roles);

}  // namespace latentsync::transcode
