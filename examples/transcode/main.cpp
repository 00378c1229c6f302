#include "examples/transcode/arguments.h"
#include "examples/transcode/batch.h"
#include "examples/transcode/batch_run.h"
#include "examples/transcode/clip_run.h"
#include "examples/transcode/complaint.h"
#include "examples/transcode/element.h"
#include "examples/transcode/input_file.h"
#include "examples/transcode/interrupt.h"
#include "examples/transcode/join_run.h"
#include "examples/transcode/memory_plan.h"
#include "examples/transcode/plan_shards.h"
#include "examples/transcode/presets.h"
#include "examples/transcode/process.h"
#include "examples/transcode/shard_plan.h"
#include "examples/transcode/shard_run.h"
#include "examples/transcode/used_files.h"

#include <clocale>
#include <gst/pbutils/pbutils.h>
#include <string>
#include <vector>

namespace latentsync::transcode {
namespace {

std::string text_of(GstElement* element, const char* property) {
  gchar* text = nullptr;
  g_object_get(element, property, &text, nullptr);
  return text == nullptr ? "" : TextPtr(text).get();
}

/// Empty where there is no cache.
std::string cache_folder(GstElement* element) {
  gboolean cache = FALSE;
  g_object_get(element, "disk-cache", &cache, nullptr);
  if (cache == FALSE) {
    return "";
  }
  const std::string folder = text_of(element, "disk-cache-dir");
  return folder.empty() ? std::string(g_get_user_cache_dir()) + "/latentsync" : folder;
}

/// Empty where it is drawn anew for each run.
std::string seed_of(GstElement* element) {
  gint64 seed = 0;
  g_object_get(element, "seed", &seed, nullptr);
  return seed < 0 ? "" : std::to_string(seed);
}

std::vector<std::string> inputs_of(const Arguments& arguments) {
  std::vector<std::string> inputs;
  for (const Clip& clip : arguments.clips) {
    for (const std::string* name : {&clip.input, &clip.audio, &clip.sound}) {
      inputs.push_back(path_of(*name));
    }
  }
  return inputs;
}

/// Refuses what would overwrite PLAN or what it was made of.
void check_joined_file(const Arguments& arguments, const ShardPlan& plan) {
  Arguments used = arguments;
  used.clips = {planned_clip(plan, arguments.output)};
  used.list = plan.file;
  check_used_files(used, plan.file_of("model")->path, "");
}

/// --shard PLAN and --join.
ExitStatus run_planned(const Arguments& arguments) {
  if (!arguments.join.empty()) {
    const ShardPlan plan = read_plan(arguments.join);
    check_joined_file(arguments, plan);
    return join_parts(plan, arguments.output, arguments.options);
  }
  const ShardPlan plan = read_plan(arguments.shard_plan);
  return run_shard(plan, shard_index(plan, arguments.shard_index), arguments.options);
}

ExitStatus transcode_all(Arguments& arguments) {
  find_plugin();
  if (!arguments.join.empty() || !arguments.shard_plan.empty()) {
    return run_planned(arguments);
  }
  if (arguments.list_presets) {
    list_presets(arguments.options);
    return kWhole;
  }
  if (arguments.plan) {
    return print_memory_plan(arguments.clips.front(), arguments.options);
  }
  {
    const ElementPtr element = make_element(arguments.options);
    name_outputs(arguments, seed_of(element.get()));
    check_used_files(arguments, text_of(element.get(), "model-path"), cache_folder(element.get()));
  }
  if (arguments.plan_shards > 0) {
    plan_shards(arguments.clips.front(), arguments.options, arguments.plan_shards);
    return kWhole;
  }
  const std::vector<std::string> inputs = inputs_of(arguments);
  if (arguments.batch) {
    return run_batch(arguments, inputs);
  }
  PipelinePtr none;
  const Measured measured =
      transcode(arguments.clips.front(), arguments.options, inputs, false, none);
  return measured.whole ? kWhole : stopped_status();
}

}  // namespace
}  // namespace latentsync::transcode

int main(int argc, char** argv) {
  using namespace latentsync::transcode;
  std::setlocale(LC_ALL, "");
  std::setlocale(LC_NUMERIC, "C");
  try {
    prepare_process();
    Arguments arguments = parse_arguments(argc, argv);
    gst_pb_utils_init();
    return transcode_all(arguments);
  } catch (...) {
    return complain(current_complaint());
  }
}
