#include "examples/transcode/part_record.h"

#include "examples/transcode/checksum.h"
#include "examples/transcode/output_file.h"
#include "examples/transcode/problem.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

namespace latentsync::transcode {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr char kFormat[] = "latentsync-part 1";
constexpr size_t kChecksumDigits = 16;

std::string beginning(const ShardPlan& plan, size_t index) {
  char name[32];
  std::snprintf(name, sizeof name, "%05zu", index);
  return (fs::path(plan.folder()) / name).string();
}

std::string record_file(const ShardPlan& plan, size_t index) {
  return beginning(plan, index) + ".json";
}

Json to_json(const std::vector<PartFrame>& frames) {
  Json all = Json::array();
  for (const PartFrame& frame : frames) {
    all.push_back({frame.time, frame.duration, frame.flags});
  }
  return all;
}

std::vector<PartFrame> frames_from(const Json& all) {
  std::vector<PartFrame> frames;
  for (const Json& frame : all) {
    frames.push_back({.time = frame.at(0).get<GstClockTime>(),
                      .duration = frame.at(1).get<GstClockTime>(),
                      .flags = frame.at(2).get<guint>()});
  }
  return frames;
}

/// False: it is of another plan or of nothing that this program writes.
bool read_record(const ShardPlan& plan, size_t index, const Json& json, PartRecord& record) {
  if (json.at("format") != kFormat || json.at("plan") != plan.id || json.at("index") != index) {
    return false;
  }
  record.file = json.at("file").get<std::string>();
  record.sha256 = json.at("sha256").get<std::string>();
  record.caps = json.at("caps").get<std::string>();
  record.seconds = json.at("seconds").get<double>();
  record.frames = frames_from(json.at("frames"));
  return true;
}

}  // namespace

PartState find_part(const ShardPlan& plan, size_t index, PartRecord& record) {
  std::ifstream stream(record_file(plan, index));
  if (!stream) {
    return PartState::kMissing;
  }
  try {
    if (!read_record(plan, index, Json::parse(stream), record)) {
      return PartState::kMissing;
    }
  } catch (const Json::exception&) {
    return PartState::kDamaged;
  }
  const fs::path file = fs::path(plan.folder()) / record.file;
  std::error_code ignored;
  if (!fs::exists(file, ignored)) {
    return PartState::kMissing;
  }
  return checksum_of(file.string()) == record.sha256 ? PartState::kWhole : PartState::kDamaged;
}

std::string part_file(const ShardPlan& plan, size_t index) {
  return beginning(plan, index) + ".mkv";
}

std::string part_file(const ShardPlan& plan, size_t index, const std::string& sha256) {
  return beginning(plan, index) + "-" + sha256.substr(0, kChecksumDigits) + ".mkv";
}

void write_part_record(const ShardPlan& plan, size_t index, const PartRecord& record) {
  const std::string file = record_file(plan, index);
  OutputFile output(file, {}, "", Writers::kSeveral);
  std::ofstream stream(output.partial());
  const Json json = {{"format", kFormat},
                     {"plan", plan.id},
                     {"index", index},
                     {"file", fs::path(record.file).filename().string()},
                     {"sha256", record.sha256},
                     {"caps", record.caps},
                     {"seconds", record.seconds},
                     {"frames", to_json(record.frames)}};
  stream << json.dump() << '\n';
  stream.close();
  if (!stream) {
    throw cannot_write(file, errno);
  }
  output.keep();
}

}  // namespace latentsync::transcode
