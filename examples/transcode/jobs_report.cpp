#include "examples/transcode/jobs_report.h"

#include "examples/transcode/problem.h"
#include "examples/transcode/report.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace latentsync::transcode {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

const char* word_for(JobState state) {
  switch (state) {
    case JobState::kWaiting:
      return "waiting";
    case JobState::kMade:
      return "made";
    case JobState::kKept:
      return "kept";
    case JobState::kFailed:
      return "failed";
    case JobState::kInterrupted:
      break;
  }
  return "interrupted";
}

Json to_json(const Job& job) {
  Json object;
  object["input"] = job.clip.input;
  object["audio"] = job.clip.audio.empty() ? job.clip.input : job.clip.audio;
  object["sound"] = job.clip.sound.empty() ? object["audio"] : Json(job.clip.sound);
  object["output"] = job.clip.output;
  object["state"] = word_for(job.state);
  object["frames"] = job.frames;
  object["seconds"] = job.seconds;
  if (!job.problem.empty()) {
    object["problem"] = job.problem;
  }
  return object;
}

}  // namespace

void check_jobs_report(const std::string& file) { check_writable("--jobs-report", file); }

void write_jobs_report(const std::string& file, const std::vector<Job>& jobs) {
  Json report;
  for (const JobState state : {JobState::kMade, JobState::kKept, JobState::kFailed,
                               JobState::kInterrupted, JobState::kWaiting}) {
    report[word_for(state)] = std::count_if(jobs.begin(), jobs.end(),
                                            [state](const Job& job) { return job.state == state; });
  }
  report["clips"] = Json::array();
  for (const Job& job : jobs) {
    report["clips"].push_back(to_json(job));
  }
  std::error_code ignored;
  const bool other = fs::is_other(file, ignored);
  const std::string partial = other ? file : file + ".partial";
  std::ofstream stream(partial);
  stream << report.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  stream.close();
  if (!stream || (!other && ::rename(partial.c_str(), file.c_str()) != 0)) {
    const int reason = errno;
    if (!other) {
      ::unlink(partial.c_str());
    }
    throw Problem("--jobs-report " + file + ": cannot be written: " + std::strerror(reason));
  }
}

}  // namespace latentsync::transcode
