#pragma once

#include "examples/transcode/arguments.h"
#include "examples/transcode/result_settings.h"
#include "examples/transcode/timeline.h"

#include <string>
#include <vector>

namespace latentsync::transcode {

/// A file or, of the model, a folder of files that a plan was made with.
struct PlannedFile {
  std::string role;    ///< "input", "audio", "sound", "model"
  std::string path;    ///< as this process can open it
  std::string stamp;   ///< sizes and times: where it is the same, the content need not be read
  std::string sha256;  ///< of the content
};

/// What --plan-shards writes and --shard and --join read: one clip, how it is rendered, and its
/// shards.
struct ShardPlan {
  std::string file;  ///< the plan's own name
  std::string id;    ///< a checksum of all that decides what the parts are
  std::vector<PlannedFile> files;
  std::string device;                  ///< "cpu" or "cuda"
  std::vector<std::string> made_with;  ///< versions of this program and of GStreamer
  Options options;                     ///< of the clip, without settings
  Settings result;                     ///< properties that change the result, all of them
  Settings machine;                    ///< other properties that were set, for every shard
  Part whole;
  std::vector<Part> shards;  ///< by index; what takes longest comes first

  /// Its file of ROLE, or null.
  const PlannedFile* file_of(const std::string& role) const;
  /// Where a part and its record are written: PLAN.parts.
  std::string folder() const;
};

/// Of this program, as plans have it.
std::vector<std::string> own_versions();

/// Writes PLAN to its file, replacing an older one at once. Paths below the plan's folder are
/// written relative to it. Throws Problem: it cannot be written.
void write_plan(const ShardPlan& plan);

/// Throws Problem (kNoRetry): FILE is not there, cannot be read, is no plan, or one of another
/// version of this program or of GStreamer.
ShardPlan read_plan(const std::string& file);

}  // namespace latentsync::transcode
