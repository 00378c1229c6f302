#include "examples/transcode/planned_files.h"

#include "examples/transcode/checksum.h"
#include "examples/transcode/input_file.h"
#include "examples/transcode/model_folder.h"
#include "examples/transcode/problem.h"

#include <filesystem>
#include <optional>

namespace latentsync::transcode {
namespace {

namespace fs = std::filesystem;

constexpr char kModel[] = "model";

std::string stamp_of_model(const std::string& folder) {
  Checksum sum;
  for (const std::string& file : model_files(folder)) {
    sum.add(file + " " + size_and_time((fs::path(folder) / file).string()));
  }
  return sum.text();
}

/// None where one of its files cannot be read.
std::optional<std::string> checksum_of_model(const std::string& folder) {
  Checksum sum;
  for (const std::string& file : model_files(folder)) {
    const auto content = checksum_of((fs::path(folder) / file).string());
    if (!content) {
      return {};
    }
    sum.add(file);
    sum.add(*content);
  }
  return sum.text();
}

std::string stamp_of(const std::string& role, const std::string& path) {
  return role == kModel ? stamp_of_model(path) : size_and_time(path);
}

std::optional<std::string> content_of(const std::string& role, const std::string& path) {
  return role == kModel ? checksum_of_model(path) : checksum_of(path);
}

}  // namespace

PlannedFile planned_file(const std::string& role, const std::string& name) {
  const std::string path = role == kModel ? name : path_of(name);
  std::error_code ignored;
  if (role == kModel ? !fs::is_directory(path, ignored) : !fs::is_regular_file(path, ignored)) {
    throw Problem(name + ": a plan needs " +
                      (role == kModel ? "a folder with the model" : "a file that does not change") +
                      ", which every machine can read",
                  kNoRetry);
  }
  const auto content = content_of(role, path);
  if (!content) {
    throw Problem(name + ": cannot be read", kNoRetry);
  }
  return {.role = role, .path = path, .stamp = stamp_of(role, path), .sha256 = *content};
}

void check_planned_files(const ShardPlan& plan, std::initializer_list<const char*> roles) {
  for (const char* role : roles) {
    const PlannedFile* file = plan.file_of(role);
    if (file == nullptr || stamp_of(role, file->path) == file->stamp) {
      continue;
    }
    std::error_code ignored;
    if (!fs::exists(file->path, ignored)) {
      throw Problem(file->path + ": no such " +
                        (std::string_view(role) == kModel ? "folder" : "file") + "; " + plan.file +
                        " has it as its " + role,
                    kNoRetry);
    }
    if (content_of(role, file->path) != file->sha256) {
      throw Problem(file->path + ": this is not the " + role + " that " + plan.file +
                        " was made with; make the plan again",
                    kNoRetry);
    }
  }
}

}  // namespace latentsync::transcode
