#include "examples/transcode/join_run.h"

#include "examples/transcode/element.h"
#include "examples/transcode/interrupt.h"
#include "examples/transcode/part_frames.h"
#include "examples/transcode/part_record.h"
#include "examples/transcode/planned_files.h"
#include "examples/transcode/problem.h"
#include "examples/transcode/render_plan.h"
#include "examples/transcode/shard_run.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <numeric>

namespace latentsync::transcode {
namespace {

/// INDICES, ascending, as "3, 7-9".
std::string ranges(const std::vector<size_t>& indices) {
  std::string text;
  for (size_t at = 0; at < indices.size();) {
    size_t last = at;
    while (last + 1 < indices.size() && indices[last + 1] == indices[last] + 1) {
      ++last;
    }
    text += (text.empty() ? "" : ",") + std::to_string(indices[at]);
    text += last == at ? "" : "-" + std::to_string(indices[last]);
    at = last + 1;
  }
  return text;
}

std::string listed(const std::vector<size_t>& indices, const std::string& state) {
  return indices.empty()
             ? ""
             : (indices.size() == 1 ? "part " : "parts ") + ranges(indices) + " " + state;
}

/// All parts in the order of their frames. Throws Problem: those that are not whole.
std::vector<PartRecord> whole_parts(const ShardPlan& plan) {
  std::vector<size_t> missing;
  std::vector<size_t> damaged;
  std::vector<PartRecord> parts(plan.shards.size());
  for (size_t index = 0; index < plan.shards.size(); ++index) {
    const PartState state = find_part(plan, index, parts[index]);
    if (state != PartState::kWhole) {
      (state == PartState::kMissing ? missing : damaged).push_back(index);
    }
  }
  if (!missing.empty() || !damaged.empty()) {
    const std::string both = !missing.empty() && !damaged.empty() ? "; " : "";
    throw Problem(plan.file + ": " + listed(missing, "missing") + both +
                  listed(damaged, "damaged") + "; make them with --shard " + plan.file +
                  ":I, and join again");
  }
  std::vector<size_t> order(parts.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t one, size_t other) {
    return plan.shards[one].begin < plan.shards[other].begin;
  });
  std::vector<PartRecord> sorted;
  for (const size_t index : order) {
    sorted.push_back(std::move(parts[index]));
  }
  return sorted;
}

/// Throws Problem: frames that do not follow one another, or are not of one kind.
void check_sequence(const ShardPlan& plan, const std::vector<PartRecord>& parts) {
  const PartFrame* last = nullptr;
  for (const PartRecord& part : parts) {
    if (part.caps != parts.front().caps) {
      throw Problem(plan.file + ": " + part.file + " has frames of " + part.caps + ", and " +
                    parts.front().file + " of " + parts.front().caps +
                    "; remove the one of the machine that decodes otherwise, and make it again");
    }
    for (const PartFrame& frame : part.frames) {
      if (last != nullptr && frame.time <= last->time) {
        throw Problem(plan.file + ": " + part.file +
                      " does not begin behind the part before it; "
                      "remove both, and make them again");
      }
      last = &frame;
    }
  }
}

}  // namespace

ExitStatus join_parts(const ShardPlan& plan, const std::string& path, const Options& own) {
  const Target target{.path = path, .profile = own.profile};
  check_output_format(target);
  check_planned_files(plan, {"input", "audio", "sound"});
  std::vector<PartRecord> parts = whole_parts(plan);
  check_sequence(plan, parts);
  const Clip clip = planned_clip(plan, path);
  Options options = plan.options;
  options.part = plan.whole;
  OutputFile output(path, {clip.input, clip.audio, clip.sound}, "");
  Streams streams(clip, options, {}, 1);
  guint64 frames = 0;
  for (const PartRecord& part : parts) {
    frames += part.frames.size();
  }
  Progress progress(std::filesystem::path(path).filename().string(), frames);
  for (const std::string& remark : streams.remarks()) {
    progress.line(remark);
  }
  const ProfilePtr profile = profile_for(target, streams.pixel_format());
  RenderPlan render_plan =
      plan_for(clip, target, streams, profile.get(), output.partial(), progress);
  const auto source = std::make_shared<PartFrames>(plan.folder(), std::move(parts));
  render_plan.made = [source] { return source->next(); };
  ElementPtr none(gst_element_factory_make("identity", nullptr));
  gst_object_ref_sink(none.get());
  Render render(streams, std::move(none), render_plan);
  const bool whole = render.run(progress);
  render.close();
  if (!whole) {
    progress.line("it is not written");
    return stopped_status();
  }
  finish(output, render.frames(), streams.sound_length());
  progress.finish(render.frames());
  return kWhole;
}

}  // namespace latentsync::transcode
