#include "examples/transcode/plan_shards.h"

#include "examples/transcode/element.h"
#include "examples/transcode/memory_plan.h"
#include "examples/transcode/model_folder.h"
#include "examples/transcode/planned_files.h"
#include "examples/transcode/progress.h"
#include "examples/transcode/shard_plan.h"
#include "examples/transcode/shard_windows.h"
#include "examples/transcode/streams.h"

#include <random>

namespace latentsync::transcode {
namespace {

std::string text_of(GstElement* element, const char* property) {
  gchar* text = nullptr;
  g_object_get(element, property, &text, nullptr);
  return text == nullptr ? "" : TextPtr(text).get();
}

/// A seed that is drawn at each start is drawn here, once for all shards.
void fix_seed(GstElement* element) {
  gint64 seed = 0;
  g_object_get(element, "seed", &seed, nullptr);
  if (seed < 0) {
    g_object_set(element, "seed", gint64(std::random_device()()), nullptr);
  }
}

/// "cpu" or "cuda": what the settings say, else what this machine has.
std::string device_kind(GstElement* element) {
  const std::string wish = text_of(element, "device");
  const std::string device = wish == "auto" ? planned_device(element) : wish;
  return device.substr(0, device.find(':'));
}

}  // namespace

void plan_shards(const Clip& clip, const Options& options, int count) {
  const ElementPtr element = make_element(options);
  fix_seed(element.get());
  ShardPlan plan{.file = clip.output, .made_with = own_versions(), .options = options};
  const auto add = [&plan](const std::string& role, const std::string& name) {
    if (!name.empty()) {
      plan.files.push_back(planned_file(role, name));
    }
  };
  add("input", clip.input);
  add("audio", clip.audio);
  add("sound", clip.sound);
  add("model", model_folder(element.get()));
  plan.device = device_kind(element.get());
  for (const auto& [property, value] : result_settings(element.get())) {
    if (property != "model-path") {
      plan.result.emplace_back(property, value);
    }
  }
  for (const auto& [property, value] : machine_settings(element.get())) {
    if (property != "device") {
      plan.machine.emplace_back(property, value);
    }
  }
  int window_frames = 0;
  g_object_get(element.get(), "window-frames", &window_frames, nullptr);
  Clip sounding = clip;
  // The sound's codec does not matter here.
  sounding.output = "any.mkv";
  Streams streams(sounding, options, {}, window_frames);
  plan.whole = streams.part();
  Progress progress(clip.output, 0);
  const Windows windows =
      windows_of_frames(streams.fed_frames(), streams.rate(), window_frames, plan.whole);
  if (!windows.steady) {
    progress.line(
        "warning: the times of the frames contradict their rate in mid-file, and the mouths of the "
        "parts may differ a little from those of one run; make the rate constant first: ffmpeg -i "
        "FILE -fps_mode cfr -c:v ffv1 -c:a copy FILE.mkv");
  }
  plan.shards = cut_into_shards(plan.whole, windows, count);
  write_plan(plan);
  progress.line(
      std::to_string(count) + " shards, 0 to " + std::to_string(count - 1) + ", for " +
      (plan.device == "cpu" ? "the CPU (for GPUs plan with --set device=cuda)" : "a GPU"));
}

}  // namespace latentsync::transcode
