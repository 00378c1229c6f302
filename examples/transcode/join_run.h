#pragma once

#include "examples/transcode/arguments.h"
#include "examples/transcode/exit_status.h"
#include "examples/transcode/shard_plan.h"

#include <string>

namespace latentsync::transcode {

/// Makes OUTPUT of PLAN's parts and the sound of its inputs: the file that one run over the whole
/// makes. OPTIONS: the profile. kWhole, or why it was stopped. Throws Problem: parts that are
/// missing or damaged, by their indices.
ExitStatus join_parts(const ShardPlan& plan, const std::string& output, const Options& options);

}  // namespace latentsync::transcode
