#include "examples/transcode/clip_run.h"

#include "examples/transcode/clip_page.h"
#include "examples/transcode/complaint.h"
#include "examples/transcode/element.h"
#include "examples/transcode/input_copy.h"
#include "examples/transcode/interrupt.h"
#include "examples/transcode/output_file.h"
#include "examples/transcode/output_format.h"
#include "examples/transcode/progress.h"
#include "examples/transcode/render.h"
#include "examples/transcode/render_plan.h"
#include "examples/transcode/streams.h"

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <unistd.h>

namespace latentsync::transcode {
namespace {

void make_frames_folder(const std::string& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (!std::filesystem::is_directory(folder) || access(folder.c_str(), W_OK) != 0) {
    throw Problem("--frames " + folder + ": this folder cannot be made or written to");
  }
}

/// A report that cannot be written is no failure of the output.
void try_to_write(const std::function<void()>& write, Progress& progress) {
  try {
    write();
  } catch (const Problem& problem) {
    progress.line(std::string("warning: ") + problem.what());
  }
}

/// The output has its name by now.
void report(const Clip& clip, const Measured& measured, ClipPage* page, Progress& progress) {
  const Farewell farewell(clip.output + " is written, but not its report", {}, kWhole);
  if (!clip.stats.empty()) {
    try_to_write([&] { write_report(clip, measured); }, progress);
  }
  if (page != nullptr) {
    try_to_write([&] { page->write(measured, ""); }, progress);
  }
}

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// BEGIN: of the command.
Measured run(Render& render, Progress& progress, const Part& part, Clock::time_point begin) {
  Measured measured;
  measured.whole = render.run(progress);
  measured.frames = render.frames();
  measured.begin = part.begin;
  measured.frames_per_second = progress.rate(measured.frames);
  measured.seconds = seconds_since(begin);
  measured.element = render.element_stats();
  return measured;
}

}  // namespace

std::string shown_name(const Clip& clip) {
  const std::filesystem::path name = std::filesystem::path(clip.output).filename();
  return (std::filesystem::path(clip.folder) / name).lexically_normal().string();
}

Measured transcode(const Clip& clip, const Options& options, const std::vector<std::string>& inputs,
                   bool keep_model, PipelinePtr& loaded) {
  const auto begin = Clock::now();
  // What is wrong with the command comes before what takes time.
  ElementPtr element = make_element(options);
  const Target target{.path = clip.output, .profile = options.profile};
  check_output_format(target);
  int window_frames = 0;
  g_object_get(element.get(), "window-frames", &window_frames, nullptr);
  if (!clip.stats.empty()) {
    check_writable("--stats", clip.stats);
  }
  if (!clip.report.empty()) {
    check_writable("--report", clip.report);
  }
  const std::string hint = resume_hint(element.get());
  OutputFile output(clip.output, inputs, hint);
  const std::string name = shown_name(clip);
  const auto say = [&name](const std::string& text) { Progress(name, 0).line(text); };
  const InputCopy input(clip.input, say);
  const InputCopy audio(clip.audio, say);
  const InputCopy sound(clip.sound, say);
  Streams streams(clip, options, {input.place(), audio.place(), sound.place()}, window_frames);
  if (!clip.frames.empty()) {
    make_frames_folder(clip.frames);
  }
  std::optional<ClipPage> page;
  Progress progress(name, streams.expected_frames());
  if (!clip.report.empty()) {
    page.emplace(clip, inputs, streams.part(), element.get());
    progress.listen([&page](const std::string& line) { page->line(line); });
  }
  for (const std::string& remark : streams.remarks()) {
    progress.line(remark);
  }
  const ProfilePtr profile = profile_for(target, streams.pixel_format());
  RenderPlan plan = plan_for(clip, target, streams, profile.get(), output.partial(), progress);
  plan.recorder = page ? &page->recorder() : nullptr;
  if (options.clean_audio) {
    plan.speech_gain = measured_gain(streams, progress);
  }
  plan.resumable_frames = hint.empty() ? 0 : streams.expected_frames();
  Measured measured;
  try {
    Render render(streams, std::move(element), plan);
    measured = run(render, progress, streams.part(), begin);
    if (keep_model) {
      loaded = render.close_and_keep_model();
    } else {
      render.close();
    }
    finish(output, measured.whole ? std::optional(measured.frames) : std::nullopt,
           streams.sound_length());
  } catch (...) {
    if (page) {
      const Measured failed{.seconds = seconds_since(begin)};
      try_to_write([&] { page->write(failed, current_complaint().sentence); }, progress);
    }
    throw;
  }
  report(clip, measured, page ? &*page : nullptr, progress);
  if (!measured.whole && !hint.empty()) {
    progress.line("it ends early; " + hint);
  }
  progress.finish(measured.frames);
  return measured;
}

}  // namespace latentsync::transcode
