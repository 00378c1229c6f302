#include "examples/transcode/shard_run.h"

#include "examples/transcode/checksum.h"
#include "examples/transcode/element.h"
#include "examples/transcode/interrupt.h"
#include "examples/transcode/output_file.h"
#include "examples/transcode/part_record.h"
#include "examples/transcode/planned_files.h"
#include "examples/transcode/problem.h"
#include "examples/transcode/render_plan.h"
#include "examples/transcode/written_file.h"

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>

namespace latentsync::transcode {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIndexVariables[] = {"JOB_COMPLETION_INDEX", "SLURM_ARRAY_TASK_ID"};

size_t index_from(const std::string& text, const std::string& variable) {
  size_t index = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (text.empty() || code != std::errc() || end != text.data() + text.size()) {
    throw Problem(variable + "=" + text + ": this is no index of a shard; they count from 0",
                  kUsage);
  }
  return index;
}

/// The plan's settings, with those of this machine over them.
Options options_of(const ShardPlan& plan, const Options& own) {
  Options options = plan.options;
  options.part = plan.whole;
  options.settings = plan.machine;
  options.settings.insert(options.settings.end(), plan.result.begin(), plan.result.end());
  options.settings.emplace_back("model-path", plan.file_of("model")->path);
  options.settings.emplace_back("device", plan.device);
  for (const auto& [property, value] : own.settings) {
    if (changes_result(property)) {
      throw Problem("--set " + property +
                        ": the plan decides what the result is; set it with "
                        "--plan-shards, and only where and how it is made here",
                    kUsage);
    }
    if (property == "device" && value.substr(0, value.find(':')) != plan.device) {
      throw Problem("--set device=" + value + ": the plan is for " + plan.device +
                        "; make another plan with --set device=" + value,
                    kUsage);
    }
    options.settings.emplace_back(property, value);
  }
  options.cache = own.cache;
  return options;
}

void make_folder(const std::string& folder) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (!fs::is_directory(folder)) {
    throw cannot_write(folder, failure.value());
  }
}

/// The part's file becomes what it is called, and then its record says that it is there.
void keep_part(const ShardPlan& plan, size_t index, OutputFile& output, PartRecord& record) {
  check_frames(output.partial(), output.path(), record.frames.size());
  const auto sum = checksum_of(output.partial());
  if (!sum) {
    throw Problem(output.path() + ": cannot be read back; see to its disk, and run again",
                  kTryAgain);
  }
  record.sha256 = *sum;
  record.file = part_file(plan, index, *sum);
  output.keep_as(record.file);
  write_part_record(plan, index, record);
}

}  // namespace

size_t shard_index(const ShardPlan& plan, std::optional<size_t> index) {
  for (const char* variable : kIndexVariables) {
    const char* text = std::getenv(variable);
    if (!index && text != nullptr) {
      index = index_from(text, variable);
    }
  }
  if (!index) {
    throw Problem("--shard " + plan.file + ": which shard? Give " + plan.file +
                      ":I, or set JOB_COMPLETION_INDEX or SLURM_ARRAY_TASK_ID",
                  kUsage);
  }
  if (*index >= plan.shards.size()) {
    throw Problem(plan.file + " has no shard " + std::to_string(*index) + "; it has 0 to " +
                      std::to_string(plan.shards.size() - 1),
                  kUsage);
  }
  return *index;
}

Clip planned_clip(const ShardPlan& plan, const std::string& output) {
  const auto path = [&plan](const char* role) {
    const PlannedFile* file = plan.file_of(role);
    return file == nullptr ? "" : file->path;
  };
  return {.input = path("input"), .audio = path("audio"), .sound = path("sound"), .output = output};
}

ExitStatus run_shard(const ShardPlan& plan, size_t index, const Options& own) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string path = part_file(plan, index);
  Options options = options_of(plan, own);
  ElementPtr element = make_element(options);
  check_planned_files(plan, {"input", "audio", "sound", "model"});
  PartRecord record;
  const PartState found = find_part(plan, index, record);
  Progress progress(fs::path(path).filename().string(), 0);
  if (found == PartState::kWhole) {
    progress.line("there and whole: kept");
    return kWhole;
  }
  if (found == PartState::kDamaged) {
    progress.line("not as it was written: made again");
  }
  record = {};
  make_folder(plan.folder());
  const Clip clip = planned_clip(plan, path);
  const std::string hint = resume_hint(element.get());
  OutputFile output(path, {clip.input, clip.audio, clip.sound}, hint, Writers::kSeveral);
  options.part = plan.shards[index];
  int window_frames = 0;
  g_object_get(element.get(), "window-frames", &window_frames, nullptr);
  Streams streams(clip, options, {}, window_frames);
  Progress shown(fs::path(path).filename().string(), streams.expected_frames());
  const Target target{.path = path, .profile = ""};
  const ProfilePtr profile = profile_for(target, streams.pixel_format(), false);
  RenderPlan render_plan{.profile = profile.get(),
                         .file = output.partial(),
                         .name = path,
                         .caps = exact_caps(target, streams.pixel_format()),
                         .resumable_frames = hint.empty() ? 0 : streams.expected_frames(),
                         .with_sound = false,
                         .part = &record};
  if (options.clean_audio) {
    render_plan.speech_gain = measured_gain(streams, shown);
  }
  Render render(streams, std::move(element), render_plan);
  const bool whole = render.run(shown);
  render.close();
  if (!whole) {
    shown.line("the part is not written" + (hint.empty() ? "" : "; " + hint));
    return stopped_status();
  }
  record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  keep_part(plan, index, output, record);
  shown.finish(render.frames());
  return kWhole;
}

}  // namespace latentsync::transcode
