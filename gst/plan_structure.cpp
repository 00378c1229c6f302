#include "gst/plan_structure.h"

#include <algorithm>

namespace latentsync {
namespace {

GstStructure* stages_structure(const PlannedRung& planned) {
  GstStructure* stages = gst_structure_new_empty("stages");
  for (const StageMemory& stage : planned.stages) {
    gst_structure_set(stages, stage.stage.c_str(), G_TYPE_INT64, stage.bytes, nullptr);
  }
  return stages;
}

/// What a rung needs, in bytes.
void set_needs(GstStructure* structure, const PlannedRung& planned) {
  GstStructure* stages = stages_structure(planned);
  gst_structure_set(structure, "peak", G_TYPE_INT64, planned.peak, "weights", G_TYPE_INT64,
                    planned.weights, "workspaces", G_TYPE_INT64, planned.workspaces, "frames",
                    G_TYPE_INT64, planned.frames, "stages", GST_TYPE_STRUCTURE, stages, nullptr);
  gst_structure_free(stages);
}

GstStructure* rung_structure(const PlannedRung& planned) {
  const Rung& rung = planned.rung;
  GstStructure* structure = gst_structure_new(
      "rung", "name", G_TYPE_STRING, rung.name.c_str(), "vae-batch", G_TYPE_INT64, rung.vae_batch,
      "vae-tile", G_TYPE_INT64, rung.vae_tile, "feed-forward-chunks", G_TYPE_INT64,
      rung.feed_forward_chunks, "score-bytes", G_TYPE_INT64, rung.score_bytes, "host-networks",
      G_TYPE_BOOLEAN, rung.host_networks, "streamed-unet", G_TYPE_BOOLEAN, rung.streamed_unet,
      "two-passes", G_TYPE_BOOLEAN, rung.two_passes, "window-frames", G_TYPE_INT64,
      rung.window_frames, nullptr);
  set_needs(structure, planned);
  return structure;
}

void set_ladder(GstStructure* structure, const MemoryPlan& plan) {
  GValue rungs = G_VALUE_INIT;
  gst_value_array_init(&rungs, static_cast<guint>(plan.ladder.size()));
  for (const PlannedRung& planned : plan.ladder) {
    GValue rung = G_VALUE_INIT;
    g_value_init(&rung, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&rung, rung_structure(planned));
    gst_value_array_append_and_take_value(&rungs, &rung);
  }
  gst_structure_take_value(structure, "rungs", &rungs);
}

}  // namespace

int window_frames_of(const MemoryPlan& plan) {
  const int64_t whole = plan.ladder.front().rung.window_frames;
  const int64_t most = std::max<int64_t>(plan.rung().rung.window_frames, 1);
  const int64_t parts = (whole + most - 1) / most;
  return static_cast<int>((whole + parts - 1) / std::max<int64_t>(parts, 1));
}

GstStructure* plan_structure(const MemoryPlan& plan) {
  GstStructure* structure = gst_structure_new(
      "latentsync-plan", "device", G_TYPE_STRING, plan.device.c_str(), "precision", G_TYPE_STRING,
      plan.precision.c_str(), "resolution", G_TYPE_INT64, plan.resolution, "total", G_TYPE_INT64,
      plan.total, "free", G_TYPE_INT64, plan.free, "budget", G_TYPE_INT64, plan.budget, "fits",
      G_TYPE_BOOLEAN, plan.fits(), "advice", G_TYPE_STRING, plan.advice.c_str(), "rung",
      G_TYPE_STRING, plan.rung().rung.name.c_str(), "window-frames", G_TYPE_INT64,
      static_cast<gint64>(window_frames_of(plan)), nullptr);
  set_needs(structure, plan.rung());
  set_ladder(structure, plan);
  return structure;
}

}  // namespace latentsync
