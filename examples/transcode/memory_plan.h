#pragma once

#include "examples/transcode/arguments.h"
#include "examples/transcode/problem.h"

namespace latentsync::transcode {

/// Prints how the settings' windows fit into the memory, for frames of CLIP's size where it has an
/// input. kWhole, or kDoesNotFit with the advice on standard error. Throws Problem: an input, model
/// or setting that no plan can be made for.
ExitStatus print_memory_plan(const Clip& clip, const Options& options);

/// The rung of a message `latentsync-plan`, in a line; empty where it has no measure.
std::string memory_line(const GstStructure* plan);

/// The device that ELEMENT would use: "cpu", "cuda:0". Throws Problem where no plan can be made.
std::string planned_device(GstElement* element);

}  // namespace latentsync::transcode
