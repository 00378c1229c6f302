#pragma once

#include "examples/transcode/arguments.h"
#include "examples/transcode/exit_status.h"
#include "examples/transcode/shard_plan.h"

#include <optional>
#include <string>

namespace latentsync::transcode {

/// The index of the shard that this process is to make: INDEX, else what Kubernetes
/// (JOB_COMPLETION_INDEX) or Slurm (SLURM_ARRAY_TASK_ID) gives the process. Throws Problem
/// (kUsage): there is none, or PLAN has no such shard.
size_t shard_index(const ShardPlan& plan, std::optional<size_t> index);

/// The plan's clip; its output is OUTPUT.
Clip planned_clip(const ShardPlan& plan, const std::string& output);

/// Makes the part INDEX of PLAN unless it is there and whole. OPTIONS: settings of this machine
/// only, over the plan's. kWhole, or why it was stopped. Throws Problem.
ExitStatus run_shard(const ShardPlan& plan, size_t index, const Options& options);

}  // namespace latentsync::transcode
