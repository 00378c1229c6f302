#include "examples/transcode/batch_run.h"

#include "examples/transcode/clip_run.h"
#include "examples/transcode/complaint.h"
#include "examples/transcode/console.h"
#include "examples/transcode/element.h"
#include "examples/transcode/interrupt.h"
#include "examples/transcode/jobs_report.h"
#include "examples/transcode/whole_file.h"

#include <algorithm>
#include <filesystem>

namespace latentsync::transcode {
namespace {

namespace fs = std::filesystem;

void make_folder(const fs::path& folder) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (!folder.empty() && !fs::is_directory(folder)) {
    throw Problem(folder.string() + ": this folder cannot be made (" + failure.message() + ")");
  }
}

void say(const Clip& clip, const std::string& text) {
  write_error(shown_name(clip) + ": " + text + "\n", kPatience);
}

/// Whether CLIP's output is there and whole; says what it is where it is not.
bool is_whole(const Clip& clip, const std::string& recipe) {
  switch (look_for(clip.output, recipe)) {
    case Found::kWhole:
      say(clip, "there and whole: kept");
      return true;
    case Found::kOther:
      say(clip, "made of other files or with other settings: made again");
      return false;
    case Found::kDamaged:
      say(clip, "not as it was written: made again");
      return false;
    case Found::kNothing:
      break;
  }
  return false;
}

class Batch {
 public:
  Batch(const Arguments& arguments, const std::vector<std::string>& inputs)
      : arguments_(arguments), inputs_(inputs) {
    for (const Clip& clip : arguments.clips) {
      jobs_.push_back({.clip = clip});
    }
  }

  ExitStatus run() {
    ExitStatus worst = kWhole;
    for (Job& job : jobs_) {
      const ExitStatus status = run(job);
      report();
      worst = status_of_both(worst, status);
      if (job.state == JobState::kInterrupted || status == kUsage) {
        break;
      }
    }
    summarize();
    return worst;
  }

 private:
  ExitStatus run(Job& job) {
    try {
      const ElementPtr element = make_element(arguments_.options);
      const std::string recipe = recipe_of(job.clip, arguments_.options, element.get());
      if (is_whole(job.clip, recipe)) {
        job.state = JobState::kKept;
        return kWhole;
      }
      const Measured measured = transcode(job.clip, arguments_.options, inputs_, true, loaded_);
      job.frames = measured.frames;
      job.seconds = measured.seconds;
      job.state = measured.whole ? JobState::kMade : JobState::kInterrupted;
      if (measured.whole) {
        remember(job.clip, recipe);
      }
      return measured.whole ? kWhole : stopped_status();
    } catch (...) {
      const Complaint complaint = current_complaint();
      job.state = JobState::kFailed;
      job.problem = complaint.sentence;
      return complain(complaint);
    }
  }

  /// The output is whole without it: it is only made again.
  static void remember(const Clip& clip, const std::string& recipe) {
    try {
      latentsync::transcode::remember(clip.output, recipe);
    } catch (const Problem& problem) {
      say(clip, std::string("warning: ") + problem.what() + "; the next batch makes it again");
    }
  }

  void report() const {
    if (arguments_.jobs_report.empty()) {
      return;
    }
    try {
      write_jobs_report(arguments_.jobs_report, jobs_);
    } catch (const Problem& problem) {
      write_error(std::string("warning: ") + problem.what() + "\n", kPatience);
    }
  }

  void summarize() const {
    const auto count = [this](JobState state) {
      return std::count_if(jobs_.begin(), jobs_.end(),
                           [state](const Job& job) { return job.state == state; });
    };
    std::string text = std::to_string(jobs_.size()) +
                       " clips: " + std::to_string(count(JobState::kMade)) + " made, " +
                       std::to_string(count(JobState::kKept)) + " kept, " +
                       std::to_string(count(JobState::kFailed)) + " failed";
    const auto left = count(JobState::kWaiting) + count(JobState::kInterrupted);
    text += left > 0 ? ", " + std::to_string(left) + " left\n" : "\n";
    for (const Job& job : jobs_) {
      if (job.state == JobState::kFailed) {
        text += "  " + job.clip.input + " failed: " + job.problem + "\n";
      }
    }
    write_error(text, kPatience);
  }

  const Arguments& arguments_;
  const std::vector<std::string>& inputs_;
  std::vector<Job> jobs_;
  PipelinePtr loaded_;
};

}  // namespace

ExitStatus run_batch(const Arguments& arguments, const std::vector<std::string>& inputs) {
  if (!arguments.jobs_report.empty()) {
    check_jobs_report(arguments.jobs_report);
  }
  for (const Clip& clip : arguments.clips) {
    make_folder(fs::path(clip.output).parent_path());
    make_folder(fs::path(clip.report).parent_path());
  }
  return Batch(arguments, inputs).run();
}

}  // namespace latentsync::transcode
