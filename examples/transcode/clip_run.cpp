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
#include "examples/transcode/streams.h"
#include "examples/transcode/written_file.h"

#include <chrono>
#include <cmath>
#include <cstdio>
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

RenderPlan plan_for(const Clip& clip, const Target& target, const Streams& streams,
                    GstEncodingProfile* profile, const std::string& file, Progress& progress) {
  RenderPlan plan{.profile = profile,
                  .file = file,
                  .frames = clip.frames,
                  .name = clip.output,
                  .caps = exact_caps(target, streams.pixel_format())};
  const std::string lost = lost_pixels(target, streams.decoded_format(), streams.pixel_format());
  if (!lost.empty()) {
    progress.line("warning: " + lost);
  }
  if (takes_even_sizes_only(target, streams.pixel_format())) {
    plan.crop_right = streams.width() % 2;
    plan.crop_bottom = streams.height() % 2;
  }
  if (plan.crop_right + plan.crop_bottom > 0) {
    progress.line(
        "warning: the picture is " + std::to_string(streams.width()) + "x" +
        std::to_string(streams.height()) +
        ", and H.264 and H.265 take even sizes: the last column or row is left out; .mkv keeps it");
  }
  if (streams.is_interlaced() && !marks_fields(target)) {
    progress.line(
        "warning: the video is interlaced, and VP9 has no mark for that: it is shown with combs; "
        ".mp4, .mov and .mkv keep the mark");
  }
  return plan;
}

std::string louder_by(double gain) {
  char text[96];
  std::snprintf(text, sizeof text, "the speech is cleaned and made %.1f dB %s for the mouth",
                std::abs(gain), gain < 0 ? "quieter" : "louder");
  return text;
}

/// What to do where the work was stopped; empty: nothing but to begin anew, as with a seed that is
/// drawn at each start.
std::string resume_hint(GstElement* element) {
  gboolean cache = FALSE;
  gint64 seed = 0;
  g_object_get(element, "disk-cache", &cache, "seed", &seed, nullptr);
  return cache != FALSE && seed >= 0
             ? "the same command again goes on from the windows in the cache"
             : "";
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

/// What is written becomes the output.
void finish(OutputFile& output, const Measured& measured, GstClockTime sound_length) {
  complete(output.partial(), output.path(), sound_length);
  if (measured.whole) {
    check_frames(output.partial(), output.path(), measured.frames);
  }
  output.keep();
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
    plan.speech_gain = streams.cleaning_gain();
    progress.line(louder_by(*plan.speech_gain));
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
    finish(output, measured, streams.sound_length());
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
