#pragma once

#include "examples/transcode/arguments.h"
#include "examples/transcode/problem.h"

#include <string>
#include <vector>

namespace latentsync::transcode {

/// Renders the clips of --batch with one model load. Those whose output is there and whole are
/// kept; a clip that fails does not end the batch. What failed is listed at the end, and
/// --jobs-report is written after each clip. INPUTS: what any clip reads, never to be removed.
/// Returns kWhole where every output is whole. Throws Problem: a folder that cannot be made, a
/// report that cannot be written.
ExitStatus run_batch(const Arguments& arguments, const std::vector<std::string>& inputs);

}  // namespace latentsync::transcode
