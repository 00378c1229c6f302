#pragma once

#include "examples/transcode/timeline.h"
#include "examples/transcode/video_feed.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace latentsync::transcode {

/// One clip: what is read and what is written.
struct Clip {
  std::string input;
  std::string folder;  ///< where INPUT is below the batch's folder; empty: in it, or no batch
  std::string audio;   ///< the speech; empty: the input's own
  std::string sound;   ///< what is heard; empty: the speech
  std::string output;  ///< empty until name_outputs()
  std::string frames;  ///< folder for PNGs; empty: none
  std::string stats;   ///< file for the report; empty: none
  std::string report;  ///< file for the page; empty until name_outputs(), or none
};

/// What is the same for every clip.
struct Options {
  std::string preset;
  std::string presets;  ///< file of the user's own; empty: none
  std::optional<GstClockTime> start;
  std::optional<GstClockTime> duration;
  Shard shard;
  std::optional<Part> part;  ///< of a plan, in place of the three above
  std::vector<std::pair<std::string, std::string>> settings;  ///< property, value
  std::optional<VideoEnd> video_end;  ///< none: a picture is held, a video stops
  GstClockTimeDiff audio_offset = 0;  ///< by how much speech and sound are later
  std::string audio_track;            ///< of the speech's file, as find_track() takes it; or empty
  int audio_channel = 0;              ///< that the mouth follows, from 1; 0: a mix of all
  bool deinterlace = false;
  bool clean_audio = false;  ///< the speech is filtered and made as loud as usual for the mouth
  bool cache = true;         ///< false: finished windows are neither kept nor taken from the cache
  std::string profile;       ///< of the video's codec; empty: by the output's extension
};

struct Arguments {
  std::vector<Clip> clips;
  Options options;
  bool batch = false;
  bool list_presets = false;  ///< print them; there is no clip
  bool plan = false;          ///< print the memory plan; the clip may be without input and output
  std::string list;           ///< of --batch; empty: none, or a folder
  std::string output;         ///< the pattern of all outputs' names (output_name.h)
  std::string report;         ///< the pattern of all pages' names, likewise; empty: none
  int plan_shards = 0;        ///< how many; 0: no plan is made
  std::string shard_plan;     ///< of --shard PLAN[:I]; empty: none
  std::optional<size_t> shard_index;
  std::string join;         ///< a plan; empty: none
  std::string jobs_report;  ///< file for what became of the clips; empty: none
};

/// Throws Problem with kUsage. Prints and ends the process for --help and --version.
Arguments parse_arguments(int argc, char** argv);

}  // namespace latentsync::transcode
