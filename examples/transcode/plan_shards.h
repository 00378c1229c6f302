#pragma once

#include "examples/transcode/arguments.h"

namespace latentsync::transcode {

/// Writes the plan of COUNT shards of CLIP, whose output is the plan, and prints a line about it.
/// Throws Problem: an input that cannot be read, fewer windows than shards.
void plan_shards(const Clip& clip, const Options& options, int count);

}  // namespace latentsync::transcode
