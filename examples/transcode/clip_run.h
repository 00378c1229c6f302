#pragma once

#include "examples/transcode/arguments.h"
#include "examples/transcode/handles.h"
#include "examples/transcode/report.h"

#include <string>
#include <vector>

namespace latentsync::transcode {

/// CLIP's output in messages: its name, and in a batch its folder below that of the batch.
std::string shown_name(const Clip& clip);

/// Renders CLIP to its output and writes its report. LOADED holds the model of the clip before, and
/// then of this one, where KEEP_MODEL says so. INPUTS: what any clip reads, never to be removed.
/// Throws Problem: there is no output.
Measured transcode(const Clip& clip, const Options& options, const std::vector<std::string>& inputs,
                   bool keep_model, PipelinePtr& loaded);

}  // namespace latentsync::transcode
