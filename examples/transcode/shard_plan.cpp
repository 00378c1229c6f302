#include "examples/transcode/shard_plan.h"

#include "examples/transcode/checksum.h"
#include "examples/transcode/output_file.h"
#include "examples/transcode/problem.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gst/gst.h>

#include <nlohmann/json.hpp>

namespace latentsync::transcode {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr char kFormat[] = "latentsync-plan 1";

std::string folder_of(const std::string& plan) {
  return fs::absolute(plan).lexically_normal().parent_path().string();
}

/// PATH as the plan in FOLDER names it.
std::string written_path(const std::string& path, const std::string& folder) {
  const fs::path absolute = fs::absolute(path).lexically_normal();
  const fs::path relative = absolute.lexically_relative(folder);
  const bool below = !relative.empty() && *relative.begin() != "..";
  return (below ? relative : absolute).string();
}

Json to_json(const Part& part) {
  return {{"begin", part.begin},
          {"end", part.end},
          {"feed-begin", part.feed_begin},
          {"feed-end", part.feed_end}};
}

Part part_from(const Json& json) {
  return {.begin = json.at("begin").get<GstClockTime>(),
          .end = json.at("end").get<GstClockTime>(),
          .feed_begin = json.at("feed-begin").get<GstClockTime>(),
          .feed_end = json.at("feed-end").get<GstClockTime>()};
}

Json to_json(const Settings& settings) {
  Json object = Json::object();
  for (const auto& [property, value] : settings) {
    object[property] = value;
  }
  return object;
}

Settings settings_from(const Json& json) {
  Settings settings;
  for (const auto& [property, value] : json.items()) {
    settings.emplace_back(property, value.get<std::string>());
  }
  return settings;
}

constexpr std::pair<const char*, VideoEnd> kVideoEnds[] = {{"stop", VideoEnd::kStop},
                                                           {"hold", VideoEnd::kHold},
                                                           {"loop", VideoEnd::kLoop},
                                                           {"pingpong", VideoEnd::kPingPong}};

Json to_json(const Options& options) {
  Json json;
  const auto* end = std::find_if(std::begin(kVideoEnds), std::end(kVideoEnds),
                                 [&](const auto& one) { return options.video_end == one.second; });
  json["video-end"] = end == std::end(kVideoEnds) ? Json() : Json(end->first);
  json["audio-offset"] = options.audio_offset;
  json["audio-track"] = options.audio_track;
  json["audio-channel"] = options.audio_channel;
  json["deinterlace"] = options.deinterlace;
  json["clean-audio"] = options.clean_audio;
  return json;
}

Options options_from(const Json& json) {
  Options options;
  for (const auto& [name, mode] : kVideoEnds) {
    if (json.at("video-end") == name) {
      options.video_end = mode;
    }
  }
  options.audio_offset = json.at("audio-offset").get<GstClockTimeDiff>();
  options.audio_track = json.at("audio-track").get<std::string>();
  options.audio_channel = json.at("audio-channel").get<int>();
  options.deinterlace = json.at("deinterlace").get<bool>();
  options.clean_audio = json.at("clean-audio").get<bool>();
  return options;
}

/// Everything but where files lie and how fast it is made.
std::string identity(const ShardPlan& plan) {
  Json content = {kFormat,
                  plan.made_with,
                  plan.device,
                  to_json(plan.options),
                  to_json(plan.result),
                  to_json(plan.whole)};
  for (const Part& shard : plan.shards) {
    content.push_back(to_json(shard));
  }
  for (const PlannedFile& file : plan.files) {
    content.push_back({file.role, file.sha256});
  }
  Checksum sum;
  sum.add(content.dump(-1, ' ', false, Json::error_handler_t::replace));
  return sum.text();
}

Json to_json(const ShardPlan& plan) {
  const std::string folder = folder_of(plan.file);
  Json json;
  json["format"] = kFormat;
  json["id"] = identity(plan);
  json["made-with"] = plan.made_with;
  json["device"] = plan.device;
  for (const PlannedFile& file : plan.files) {
    json["files"].push_back({{"role", file.role},
                             {"path", written_path(file.path, folder)},
                             {"stamp", file.stamp},
                             {"sha256", file.sha256}});
  }
  json["options"] = to_json(plan.options);
  json["result"] = to_json(plan.result);
  json["machine"] = to_json(plan.machine);
  json["whole"] = to_json(plan.whole);
  json["shards"] = Json::array();
  for (const Part& shard : plan.shards) {
    json["shards"].push_back(to_json(shard));
  }
  return json;
}

std::string words(const std::vector<std::string>& versions) {
  std::string text;
  for (const std::string& version : versions) {
    text += (text.empty() ? "" : ", ") + version;
  }
  return text;
}

ShardPlan plan_from(const Json& json, const std::string& file) {
  ShardPlan plan{.file = file};
  if (json.at("format") != kFormat) {
    throw Problem(file + ": this plan was made by another version of latentsync-transcode (" +
                      json.at("format").get<std::string>() + "); make it again",
                  kNoRetry);
  }
  plan.made_with = json.at("made-with").get<std::vector<std::string>>();
  if (plan.made_with != own_versions()) {
    throw Problem(file + " was made with " + words(plan.made_with) + ", and this is " +
                      words(own_versions()) +
                      "; use one version everywhere, or make the plan again",
                  kNoRetry);
  }
  plan.device = json.at("device").get<std::string>();
  const fs::path folder = folder_of(file);
  for (const Json& one : json.at("files")) {
    plan.files.push_back({.role = one.at("role").get<std::string>(),
                          .path = (folder / one.at("path").get<std::string>()).string(),
                          .stamp = one.at("stamp").get<std::string>(),
                          .sha256 = one.at("sha256").get<std::string>()});
  }
  for (const char* role : {"input", "model"}) {
    if (plan.file_of(role) == nullptr) {
      throw Problem(file + ": this plan names no " + role + "; make it again", kNoRetry);
    }
  }
  plan.options = options_from(json.at("options"));
  plan.result = settings_from(json.at("result"));
  plan.machine = settings_from(json.at("machine"));
  plan.whole = part_from(json.at("whole"));
  for (const Json& shard : json.at("shards")) {
    plan.shards.push_back(part_from(shard));
  }
  plan.id = identity(plan);
  if (json.at("id") != plan.id) {
    throw Problem(file + ": this plan was changed after it was made; make it again", kNoRetry);
  }
  return plan;
}

}  // namespace

const PlannedFile* ShardPlan::file_of(const std::string& role) const {
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const PlannedFile& one) { return one.role == role; });
  return found == files.end() ? nullptr : &*found;
}

std::string ShardPlan::folder() const { return file + ".parts"; }

std::vector<std::string> own_versions() {
  const TextPtr gstreamer(gst_version_string());
  return {"latentsync " LATENTSYNC_VERSION, gstreamer.get()};
}

void write_plan(const ShardPlan& plan) {
  OutputFile output(plan.file, {}, "");
  std::ofstream stream(output.partial());
  stream << to_json(plan).dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  stream.close();
  if (!stream) {
    throw cannot_write(plan.file, errno);
  }
  output.keep();
}

ShardPlan read_plan(const std::string& file) {
  std::ifstream stream(file);
  if (!stream) {
    throw Problem(file + ": no such plan; make it with --plan-shards N -o " + file, kNoRetry);
  }
  try {
    return plan_from(Json::parse(stream), file);
  } catch (const Json::exception&) {
    throw Problem(file + ": this is no plan of --plan-shards, or it is damaged; make it again",
                  kNoRetry);
  }
}

}  // namespace latentsync::transcode
