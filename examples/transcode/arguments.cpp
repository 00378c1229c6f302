#include "examples/transcode/arguments.h"

#include "examples/transcode/batch.h"
#include "examples/transcode/output_name.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <glib.h>

namespace latentsync::transcode {
namespace {

constexpr char kSummary[] =
    "Lip-syncs a video to speech and writes the result to a file: OUT ends in .mp4, .mov\n"
    "(H.264 and AAC), .webm (VP9 and Opus) or .mkv (lossless: FFV1 and FLAC).";
constexpr char kDescription[] =
    R"(Times are seconds (12.5) or [h:]mm:ss[.fff]. gst-inspect-1.0 latentsync lists the element's
properties (if it is not installed, with GST_PLUGIN_PATH=build/gst). Exit status: 0 the output is
complete; 1 there is no output; 2 the command line is wrong; 3 an input, the model or the plan is at
fault; 4 it does not fit into the memory; 75 try again (device or disk); 130 Ctrl-C, 143 SIGTERM:
the output can be played, but ends early (after a second one: no output); the same command again
goes on from the windows in the cache.)";

/// What GOption fills in.
struct Raw {
  gchar* audio = nullptr;
  gchar* sound = nullptr;
  gchar* audio_offset = nullptr;
  gchar* audio_track = nullptr;
  gint audio_channel = 0;
  gboolean deinterlace = FALSE;
  gboolean clean_audio = FALSE;
  gboolean no_cache = FALSE;
  gchar* profile = nullptr;
  gchar* jobs_report = nullptr;
  gchar* output = nullptr;
  gchar* preset = nullptr;
  gchar* presets = nullptr;
  gchar* start = nullptr;
  gchar* duration = nullptr;
  gchar* shard = nullptr;
  gint plan_shards = 0;
  gchar* join = nullptr;
  gchar* frames = nullptr;
  gchar** settings = nullptr;
  gchar* video_end = nullptr;
  gchar* stats = nullptr;
  gchar* report = nullptr;
  gchar* batch = nullptr;
  gboolean plan = FALSE;
  gboolean list_presets = FALSE;
  gboolean version = FALSE;
  gchar** inputs = nullptr;

  ~Raw() {
    for (gchar* text :
         {audio, sound, audio_offset, audio_track, output, preset, presets, start, duration, shard,
          join, frames, video_end, stats, batch, profile, report, jobs_report}) {
      g_free(text);
    }
    g_strfreev(settings);
    g_strfreev(inputs);
  }
};

std::string text(const gchar* value) { return value == nullptr ? "" : value; }

void parse_options(int argc, char** argv, Raw& raw) {
  const GOptionEntry entries[] = {
      {"audio", 'a', 0, G_OPTION_ARG_FILENAME, &raw.audio,
       "The speech (default: the input's own sound)", "FILE"},
      {"sound", 0, 0, G_OPTION_ARG_FILENAME, &raw.sound, "What is heard (default: the speech)",
       "FILE"},
      {"audio-offset", 0, 0, G_OPTION_ARG_STRING, &raw.audio_offset,
       "Move speech and sound; positive: later", "MS"},
      {"audio-track", 0, 0, G_OPTION_ARG_STRING, &raw.audio_track,
       "Which audio of the speech's file: a number from 1, or a language", "N|LANG"},
      {"audio-channel", 0, 0, G_OPTION_ARG_INT, &raw.audio_channel,
       "The channel that the mouth follows, from 1 (default: all)", "N"},
      {"deinterlace", 0, 0, G_OPTION_ARG_NONE, &raw.deinterlace,
       "Make one whole picture of the two fields of a frame", nullptr},
      {"clean-audio", 0, 0, G_OPTION_ARG_NONE, &raw.clean_audio,
       "Filter noise out of the speech and level it, for the mouth only", nullptr},
      {"profile", 0, 0, G_OPTION_ARG_STRING, &raw.profile,
       "The video's codec: prores, hevc-10bit ... (see docs)", "NAME"},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &raw.output,
       "File, with --batch folder; takes {stem} {folder} {preset} {seed}", "OUT"},
      {"preset", 0, 0, G_OPTION_ARG_STRING, &raw.preset,
       "Load a preset of the element, or of --presets", "NAME"},
      {"presets", 0, 0, G_OPTION_ARG_FILENAME, &raw.presets,
       "Presets of your own: {\"NAME\": {\"PROPERTY\": VALUE}}", "FILE.json"},
      {"list-presets", 0, 0, G_OPTION_ARG_NONE, &raw.list_presets, "Print the presets, and end",
       nullptr},
      {"set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &raw.settings,
       "Set a property of the element; may be repeated", "PROPERTY=VALUE"},
      {"start", 0, 0, G_OPTION_ARG_STRING, &raw.start, "Skip everything before this time", "TIME"},
      {"duration", 0, 0, G_OPTION_ARG_STRING, &raw.duration, "Render at most this duration",
       "TIME"},
      {"shard", 0, 0, G_OPTION_ARG_STRING, &raw.shard,
       "Render only the I-th of N equal parts, I from 1, or a shard of a plan", "I/N|PLAN[:I]"},
      {"plan-shards", 0, 0, G_OPTION_ARG_INT, &raw.plan_shards,
       "Write a plan of N shards for a cluster to -o PLAN.json, and end", "N"},
      {"join", 0, 0, G_OPTION_ARG_FILENAME, &raw.join,
       "Put the parts of a plan together; with -o OUT and --profile", "PLAN"},
      {"video-end", 0, 0, G_OPTION_ARG_STRING, &raw.video_end,
       "If the speech is longer: stop (default), hold, loop, pingpong", "MODE"},
      {"frames", 0, 0, G_OPTION_ARG_FILENAME, &raw.frames,
       "Also write every frame as DIR/NUMBER.png", "DIR"},
      {"no-cache", 0, 0, G_OPTION_ARG_NONE, &raw.no_cache,
       "Neither keep finished windows nor take them from the cache", nullptr},
      {"stats", 0, 0, G_OPTION_ARG_FILENAME, &raw.stats, "Write statistics", "FILE.json"},
      {"report", 0, 0, G_OPTION_ARG_FILENAME, &raw.report, "Write a page to look at; named like -o",
       "FILE.html"},
      {"batch", 0, 0, G_OPTION_ARG_FILENAME, &raw.batch,
       "Many clips: a folder, or lines INPUT[<tab>AUDIO[<tab>SOUND]]", "LIST|DIR"},
      {"jobs-report", 0, 0, G_OPTION_ARG_FILENAME, &raw.jobs_report,
       "With --batch: write what became of each clip", "FILE.json"},
      {"plan", 0, 0, G_OPTION_ARG_NONE, &raw.plan,
       "Print how it fits into the memory (no INPUT: 1920x1080), and end", nullptr},
      {"version", 0, 0, G_OPTION_ARG_NONE, &raw.version, "Print the version", nullptr},
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &raw.inputs, nullptr, "INPUT"},
      {nullptr, 0, 0, G_OPTION_ARG_NONE, nullptr, nullptr, nullptr}};
  GOptionContext* context = g_option_context_new("-o OUT");
  g_option_context_set_summary(context, kSummary);
  g_option_context_set_description(context, kDescription);
  g_option_context_add_main_entries(context, entries, nullptr);
  g_option_context_add_group(context, gst_init_get_option_group());
  GError* error = nullptr;
  const bool good = g_option_context_parse(context, &argc, &argv, &error) != FALSE;
  g_option_context_free(context);
  if (!good) {
    const ErrorPtr owner(error);
    throw Problem(one_line(error->message) + "; see --help", kUsage);
  }
}

double number(const std::string& part, const std::string& option, const std::string& whole) {
  double value = 0;
  const auto [end, code] = std::from_chars(part.data(), part.data() + part.size(), value);
  if (part.empty() || code != std::errc() || end != part.data() + part.size() ||
      !std::isfinite(value) || value < 0 || value > 1e7) {
    throw Problem(option + " " + whole + ": not a time; give seconds (12.5) or [h:]mm:ss[.fff]",
                  kUsage);
  }
  return value;
}

std::optional<GstClockTime> parse_time(const gchar* given, const std::string& option) {
  if (given == nullptr) {
    return std::nullopt;
  }
  const std::string whole = given;
  double seconds = 0;
  size_t begin = 0;
  for (int fields = 0; fields < 3; ++fields) {
    const size_t colon = whole.find(':', begin);
    seconds = seconds * 60 + number(whole.substr(begin, colon - begin), option, whole);
    if (colon == std::string::npos) {
      return GstClockTime(std::llround(seconds * GST_SECOND));
    }
    begin = colon + 1;
  }
  throw Problem(option + " " + whole + ": not a time; give seconds (12.5) or [h:]mm:ss[.fff]",
                kUsage);
}

/// PLAN.json or PLAN.json:I, and no I/N.
bool names_plan(const std::string& given) {
  const size_t end = given.find_last_not_of("0123456789");
  const std::string plan = end != std::string::npos && given[end] == ':' && end + 1 < given.size()
                               ? given.substr(0, end)
                               : given;
  return std::filesystem::path(plan).extension() == ".json" ||
         std::filesystem::is_regular_file(plan);
}

Shard parse_shard(const gchar* given) {
  Shard shard;
  char rest = 0;
  if (given != nullptr && !names_plan(given) &&
      (std::sscanf(given, "%d/%d%c", &shard.index, &shard.count, &rest) != 2 || shard.index < 1 ||
       shard.count < shard.index || shard.count > 100000)) {
    throw Problem(std::string("--shard ") + given +
                      ": give I/N with I from 1 to N, as in 2/4, or PLAN.json[:I]",
                  kUsage);
  }
  return shard;
}

std::optional<VideoEnd> parse_video_end(const std::string& given) {
  if (given.empty()) return std::nullopt;
  if (given == "stop") return VideoEnd::kStop;
  if (given == "hold") return VideoEnd::kHold;
  if (given == "loop") return VideoEnd::kLoop;
  if (given == "pingpong") return VideoEnd::kPingPong;
  throw Problem("--video-end " + given + ": give stop, hold, loop or pingpong", kUsage);
}

GstClockTimeDiff parse_offset(const gchar* given) {
  const std::string whole = text(given);
  constexpr double kMost = 3600e3;
  double milliseconds = 0;
  const auto [end, code] = std::from_chars(whole.data(), whole.data() + whole.size(), milliseconds);
  if (given != nullptr && (code != std::errc() || end != whole.data() + whole.size() ||
                           !(std::abs(milliseconds) <= kMost))) {
    throw Problem("--audio-offset " + whole +
                      ": give milliseconds, up to an hour: 80 for later, -80 for earlier",
                  kUsage);
  }
  return std::llround(milliseconds * GST_MSECOND);
}

Options parse_common(const Raw& raw) {
  Options options;
  options.preset = text(raw.preset);
  options.presets = text(raw.presets);
  options.start = parse_time(raw.start, "--start");
  options.duration = parse_time(raw.duration, "--duration");
  if (options.duration && *options.duration == 0) {
    throw Problem("--duration 0: the output would be empty", kUsage);
  }
  options.shard = parse_shard(raw.shard);
  options.video_end = parse_video_end(text(raw.video_end));
  options.audio_offset = parse_offset(raw.audio_offset);
  options.audio_track = text(raw.audio_track);
  options.audio_channel = raw.audio_channel;
  if (raw.audio_channel < 0) {
    throw Problem("--audio-channel counts from 1", kUsage);
  }
  options.deinterlace = raw.deinterlace != FALSE;
  options.clean_audio = raw.clean_audio != FALSE;
  options.cache = raw.no_cache == FALSE;
  options.profile = text(raw.profile);
  for (gchar** setting = raw.settings; setting != nullptr && *setting != nullptr; ++setting) {
    const std::string pair = *setting;
    const size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw Problem("--set " + pair + ": give PROPERTY=VALUE", kUsage);
    }
    options.settings.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    if (raw.no_cache != FALSE && pair.substr(0, equals) == "disk-cache") {
      throw Problem("--no-cache excludes --set " + pair + ": give one of them", kUsage);
    }
  }
  return options;
}

std::vector<Clip> parse_batch(const Raw& raw) {
  if (raw.inputs != nullptr || raw.audio != nullptr || raw.sound != nullptr ||
      raw.frames != nullptr || raw.stats != nullptr) {
    throw Problem(
        "--batch takes inputs, speech and sound from the folder or list, and excludes --frames "
        "and --stats",
        kUsage);
  }
  if (raw.shard != nullptr) {
    throw Problem(
        "--batch excludes --shard: all shards of a clip would be written to one file; split the "
        "list instead (split -n l/8 LIST LIST-)",
        kUsage);
  }
  if (raw.output == nullptr) {
    throw Problem("--batch needs -o FOLDER", kUsage);
  }
  return batch_clips(raw.batch, root_of_outputs(raw.output));
}

/// The plan and the index of --shard PLAN[:I]. A file that exists is a file, whatever its name.
void parse_shard_of_plan(const std::string& given, Arguments& arguments) {
  const size_t colon = given.rfind(':');
  const std::string digits = colon == std::string::npos ? "" : given.substr(colon + 1);
  const bool has_index = !digits.empty() && digits.size() < 7 &&
                         digits.find_first_not_of("0123456789") == std::string::npos &&
                         !std::filesystem::exists(given);
  arguments.shard_plan = has_index ? given.substr(0, colon) : given;
  if (has_index) {
    arguments.shard_index = std::stoul(digits);
  }
}

/// Throws Problem (kUsage): OPTION excludes what was given.
void exclude(const std::string& option, bool given, const std::string& other) {
  if (given) {
    throw Problem(option + " excludes " + other + "; see docs/transcode.md", kUsage);
  }
}

/// --plan-shards, --shard PLAN and --join. False: none of them was given.
bool parse_plan(const Raw& raw, Arguments& arguments) {
  const bool shard = raw.shard != nullptr && names_plan(raw.shard);
  const bool plans = raw.plan_shards != 0;
  if (!shard && !plans && raw.join == nullptr) {
    return false;
  }
  const std::string option = plans ? "--plan-shards" : shard ? "--shard PLAN" : "--join";
  exclude(option, plans && (raw.shard != nullptr || raw.join != nullptr), "--shard and --join");
  exclude(option, shard && raw.join != nullptr, "--join");
  exclude(option, raw.batch != nullptr, "--batch");
  exclude(option, raw.plan != FALSE, "--plan");
  exclude(option, raw.frames != nullptr || raw.stats != nullptr || raw.report != nullptr,
          "--frames, --stats and --report");
  if (plans) {
    exclude(option, raw.profile != nullptr, "--profile, which is for --join");
    if (raw.plan_shards < 1 || raw.plan_shards > 100000) {
      throw Problem(
          "--plan-shards takes a number of shards from 1 to 100000; four times the number "
          "of workers is a good one",
          kUsage);
    }
    arguments.plan_shards = raw.plan_shards;
    return true;
  }
  exclude(option, raw.inputs != nullptr || raw.audio != nullptr || raw.sound != nullptr,
          "INPUT, --audio and --sound, which are in the plan");
  exclude(option,
          raw.start != nullptr || raw.duration != nullptr || raw.preset != nullptr ||
              raw.audio_offset != nullptr || raw.audio_track != nullptr || raw.audio_channel != 0 ||
              raw.deinterlace != FALSE || raw.clean_audio != FALSE || raw.video_end != nullptr,
          "options that change the result; they are in the plan");
  exclude(option, shard && (raw.output != nullptr || raw.profile != nullptr),
          "-o and --profile, which are for --join");
  exclude(option, !shard && raw.settings != nullptr, "--set");
  if (shard) {
    parse_shard_of_plan(raw.shard, arguments);
    return true;
  }
  if (raw.output == nullptr) {
    throw Problem("name the output: --join PLAN -o OUT.mp4; see --help", kUsage);
  }
  arguments.join = raw.join;
  return true;
}

Clip parse_clip(const Raw& raw) {
  if ((raw.plan || raw.list_presets) && raw.inputs == nullptr) {
    return {};
  }
  if (raw.inputs == nullptr) {
    throw Problem("name the video: latentsync-transcode INPUT -o OUT.mp4; see --help", kUsage);
  }
  if (raw.inputs[1] != nullptr) {
    throw Problem(std::string("give one INPUT (found also ") + raw.inputs[1] +
                      "); for many clips use --batch",
                  kUsage);
  }
  if (raw.output == nullptr && !raw.plan && !raw.list_presets) {
    throw Problem("name the output: -o OUT.mp4; see --help", kUsage);
  }
  return {.input = raw.inputs[0],
          .audio = text(raw.audio),
          .sound = text(raw.sound),
          .frames = text(raw.frames),
          .stats = text(raw.stats)};
}

}  // namespace

Arguments parse_arguments(int argc, char** argv) {
  Raw raw;
  parse_options(argc, argv, raw);
  if (raw.version) {
    std::printf("latentsync-transcode %s\n", LATENTSYNC_VERSION);
    std::exit(kWhole);
  }
  Arguments arguments;
  arguments.options = parse_common(raw);
  arguments.list_presets = raw.list_presets != FALSE;
  arguments.plan = raw.plan != FALSE;
  arguments.batch = raw.batch != nullptr;
  const bool planned = parse_plan(raw, arguments);
  if (arguments.plan && arguments.batch) {
    throw Problem("--plan excludes --batch: give one INPUT, or none", kUsage);
  }
  if (arguments.batch) {
    arguments.clips = parse_batch(raw);
    arguments.list = std::filesystem::is_directory(raw.batch) ? "" : raw.batch;
  } else if (!planned || arguments.plan_shards > 0) {
    arguments.clips = {parse_clip(raw)};
  }
  if (raw.jobs_report != nullptr && !arguments.batch) {
    throw Problem("--jobs-report is for --batch; for a single clip use --stats", kUsage);
  }
  arguments.output = text(raw.output);
  arguments.report = text(raw.report);
  arguments.jobs_report = text(raw.jobs_report);
  return arguments;
}

}  // namespace latentsync::transcode
