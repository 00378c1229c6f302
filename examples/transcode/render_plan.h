#pragma once

#include "examples/transcode/arguments.h"
#include "examples/transcode/output_file.h"
#include "examples/transcode/output_format.h"
#include "examples/transcode/progress.h"
#include "examples/transcode/render.h"
#include "examples/transcode/streams.h"

#include <optional>
#include <string>

/// What comes before and after a Render, whatever is rendered.
namespace latentsync::transcode {

/// How CLIP is written to FILE as TARGET and PROFILE have it. Says what the output does not keep.
RenderPlan plan_for(const Clip& clip, const Target& target, const Streams& streams,
                    GstEncodingProfile* profile, const std::string& file, Progress& progress);

/// What cleaned speech is to be made louder by, in dB; says so.
double measured_gain(const Streams& streams, Progress& progress);

/// What to do where the work was stopped; empty: nothing but to begin anew, as with a seed that is
/// drawn at each start.
std::string resume_hint(GstElement* element);

/// What is written becomes the output, with FRAMES in it where that is known. Throws Problem.
void finish(OutputFile& output, std::optional<guint64> frames, GstClockTime sound_length);

}  // namespace latentsync::transcode
