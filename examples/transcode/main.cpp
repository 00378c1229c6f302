#include "examples/transcode/arguments.h"
#include "examples/transcode/console.h"
#include "examples/transcode/element.h"
#include "examples/transcode/input_file.h"
#include "examples/transcode/interrupt.h"
#include "examples/transcode/memory_plan.h"
#include "examples/transcode/output_file.h"
#include "examples/transcode/output_format.h"
#include "examples/transcode/presets.h"
#include "examples/transcode/problem.h"
#include "examples/transcode/process.h"
#include "examples/transcode/progress.h"
#include "examples/transcode/render.h"
#include "examples/transcode/report.h"
#include "examples/transcode/streams.h"
#include "examples/transcode/threads.h"
#include "examples/transcode/used_files.h"
#include "examples/transcode/written_file.h"

#include <chrono>
#include <clocale>
#include <cstdio>
#include <filesystem>
#include <gst/pbutils/pbutils.h>
#include <new>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace latentsync::transcode {
namespace {

void make_frames_folder(const std::string& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (!std::filesystem::is_directory(folder) || access(folder.c_str(), W_OK) != 0) {
    throw Problem("--frames " + folder + ": this folder cannot be made or written to");
  }
}

RenderPlan plan_for(const Clip& clip, const Streams& streams, GstEncodingProfile* profile,
                    const std::string& file, Progress& progress) {
  RenderPlan plan{.profile = profile,
                  .file = file,
                  .frames = clip.frames,
                  .name = clip.output,
                  .caps = exact_caps(clip.output, streams.pixel_format())};
  const std::string lost =
      lost_pixels(clip.output, streams.decoded_format(), streams.pixel_format());
  if (!lost.empty()) {
    progress.line("warning: " + lost);
  }
  if (takes_even_sizes_only(clip.output, streams.pixel_format())) {
    plan.crop_right = streams.width() % 2;
    plan.crop_bottom = streams.height() % 2;
  }
  if (plan.crop_right + plan.crop_bottom > 0) {
    progress.line(
        "warning: the picture is " + std::to_string(streams.width()) + "x" +
        std::to_string(streams.height()) +
        ", and H.264 takes even sizes: the last column or row is left out; .mkv keeps it");
  }
  if (streams.is_interlaced() && !marks_fields(clip.output)) {
    progress.line(
        "warning: the video is interlaced, and VP9 has no mark for that: it is shown with combs; "
        ".mp4, .mov and .mkv keep the mark");
  }
  return plan;
}

/// The output has its name by now: that its report cannot be written is no failure.
void report(const Clip& clip, const Measured& measured, Progress& progress) {
  if (clip.stats.empty()) {
    return;
  }
  const Farewell farewell(clip.output + " is written, but not its report", {}, kWhole);
  try {
    write_report(clip, measured);
  } catch (const Problem& problem) {
    progress.line(std::string("warning: ") + problem.what());
  }
}

/// LOADED holds the model of the clip before, and then of this one, where KEEP_MODEL says so.
/// INPUTS: what any clip reads, never to be removed.
ExitStatus transcode(const Clip& clip, const Options& options,
                     const std::vector<std::string>& inputs, bool keep_model, PipelinePtr& loaded) {
  const auto begin = std::chrono::steady_clock::now();
  // What is wrong with the command comes before what takes time.
  ElementPtr element = make_element(options);
  check_output_format(clip.output);
  int window_frames = 0;
  g_object_get(element.get(), "window-frames", &window_frames, nullptr);
  if (!clip.stats.empty()) {
    check_report(clip.stats);
  }
  OutputFile output(clip.output, inputs);
  Streams streams(clip, options, window_frames);
  if (!clip.frames.empty()) {
    make_frames_folder(clip.frames);
  }
  Progress progress(std::filesystem::path(clip.output).filename().string(),
                    streams.expected_frames());
  for (const std::string& remark : streams.remarks()) {
    progress.line(remark);
  }
  const ProfilePtr profile = profile_for(clip.output, streams.pixel_format());
  const RenderPlan plan = plan_for(clip, streams, profile.get(), output.partial(), progress);
  Render render(streams, std::move(element), plan);
  Measured measured;
  measured.whole = render.run(progress);
  measured.frames = render.frames();
  measured.begin = streams.part().begin;
  measured.frames_per_second = progress.rate(measured.frames);
  measured.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  measured.element = render.element_stats();
  if (keep_model) {
    loaded = render.close_and_keep_model();
  } else {
    render.close();
  }
  complete(output.partial(), clip.output, streams.sound_length());
  if (measured.whole) {
    check_frames(output.partial(), clip.output, measured.frames);
  }
  output.keep();
  report(clip, measured, progress);
  progress.finish(measured.frames);
  return measured.whole ? kWhole : kInterrupted;
}

void complain(const std::string& sentence) {
  write_error("latentsync-transcode: " + sentence + "\n", kPatience);
}

/// Of the exception that is being handled.
ExitStatus complain_of_current() {
  try {
    throw;
  } catch (const Problem& problem) {
    complain(problem.what());
    return problem.status();
  } catch (const std::system_error& error) {
    const bool threads = error.code() == std::errc::resource_unavailable_try_again;
    complain(threads ? kNoThreads : error.what());
  } catch (const std::bad_alloc&) {
    complain("memory ran out; end other programs, or give the machine more");
  } catch (const std::exception& error) {
    complain(error.what());
  }
  return kFailed;
}

void make_batch_folder(const std::string& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (!std::filesystem::is_directory(folder)) {
    throw Problem(folder + ": this folder cannot be made (" + failure.message() + ")");
  }
}

std::string model_folder(const Options& options) {
  const ElementPtr element = make_element(options);
  gchar* folder = nullptr;
  g_object_get(element.get(), "model-path", &folder, nullptr);
  return folder == nullptr ? "" : TextPtr(folder).get();
}

ExitStatus transcode_all(const Arguments& arguments) {
  find_plugin();
  if (arguments.list_presets) {
    list_presets(arguments.options);
    return kWhole;
  }
  if (arguments.plan) {
    return print_memory_plan(arguments.clips.front(), arguments.options);
  }
  check_used_files(arguments, model_folder(arguments.options));
  if (arguments.batch) {
    make_batch_folder(arguments.folder);
  }
  std::vector<std::string> inputs;
  for (const Clip& clip : arguments.clips) {
    inputs.push_back(path_of(clip.input));
    inputs.push_back(path_of(clip.audio));
    inputs.push_back(path_of(clip.sound));
  }
  PipelinePtr loaded;
  ExitStatus worst = kWhole;
  for (const Clip& clip : arguments.clips) {
    ExitStatus status = kWhole;
    try {
      status = transcode(clip, arguments.options, inputs, arguments.batch, loaded);
    } catch (...) {
      status = complain_of_current();
    }
    worst = status == kWhole ? worst : status;
    if (status == kInterrupted || status == kUsage) {
      break;
    }
  }
  return worst;
}

}  // namespace
}  // namespace latentsync::transcode

int main(int argc, char** argv) {
  using namespace latentsync::transcode;
  std::setlocale(LC_ALL, "");
  std::setlocale(LC_NUMERIC, "C");
  try {
    prepare_process();
    const Arguments arguments = parse_arguments(argc, argv);
    gst_pb_utils_init();
    return transcode_all(arguments);
  } catch (...) {
    return complain_of_current();
  }
}
