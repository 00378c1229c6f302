#include "examples/transcode/page_plots.h"

#include "examples/transcode/markup.h"
#include "examples/transcode/svg.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

namespace latentsync::transcode {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
/// Labels along x that a page of 400 pixels has room for.
constexpr int kTimeTicks = 6;
constexpr size_t kMostRows = 60;
constexpr double kLeastLevel = -60;  // dB, at the bottom of the plot
constexpr double kMebibyte = 1 << 20;

constexpr std::array kFatesInOrder = {FrameFate::kEdited, FrameFate::kNoFace,
                                      FrameFate::kImplausible, FrameFate::kNotRendered};

double seconds(GstClockTime time) { return double(time) / GST_SECOND; }

/// Neighbours of RUNS added up, so that there are at most MOST.
template <typename Run>
std::vector<Run> fewer(const std::vector<Run>& runs, size_t most) {
  const size_t together = std::max<size_t>((runs.size() + most - 1) / most, 1);
  std::vector<Run> merged;
  for (size_t index = 0; index < runs.size(); ++index) {
    if (index % together == 0) {
      merged.push_back(runs[index]);
    } else {
      merged.back().merge(runs[index]);
    }
  }
  return merged;
}

std::string legend(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string html = "<ul class=\"legend\">";
  for (const auto& [kind, words] : entries) {
    html += "<li><i class=\"" + escaped(kind) + "\"></i>" + escaped(words) + "</li>";
  }
  return html + "</ul>\n";
}

std::string row(const std::vector<std::string>& cells, const char* tag) {
  std::string html = "<tr>";
  for (const std::string& cell : cells) {
    html += std::string("<") + tag + " class=\"number\">" + escaped(cell) + "</" + tag + ">";
  }
  return html + "</tr>\n";
}

std::string table(const std::string& what, const std::vector<std::string>& head,
                  const std::vector<std::vector<std::string>>& rows) {
  std::string html = "<details><summary>" + escaped(what) +
                     " as a table</summary><div class=\"table\"><table>\n<thead>" +
                     row(head, "th") + "</thead>\n<tbody>\n";
  for (const auto& cells : rows) {
    html += row(cells, "td");
  }
  return html + "</tbody></table></div></details>\n";
}

std::string section(const std::string& id, const std::string& title, const std::string& content) {
  return "<section id=\"" + id + "\">\n<h2>" + escaped(title) + "</h2>\n" + content +
         "</section>\n";
}

std::string times(GstClockTime begin, GstClockTime end) {
  return clock_time(seconds(begin), 0.1) + " to " + clock_time(seconds(end), 0.1);
}

/// Whether all frames of RUN share one fate in time, and which.
std::optional<FrameFate> only_fate(const FrameRun& run) {
  for (const FrameFate fate : kFatesInOrder) {
    if (run.late == 0 && run.frames[size_t(fate)] == run.count()) {
      return fate;
    }
  }
  return std::nullopt;
}

std::string summary(const FrameRun& run) {
  std::string text = times(run.begin, run.end);
  for (const FrameFate fate : kFatesInOrder) {
    if (const guint64 frames = run.frames[size_t(fate)]; frames > 0) {
      text += ", " + std::to_string(frames) + " " + words_for(fate);
    }
  }
  return text + (run.late > 0 ? ", " + std::to_string(run.late) + " late" : "");
}

/// Neighbours with one fate become one: most clips are edited from their beginning to their end.
std::vector<FrameRun> joined(const std::vector<FrameRun>& runs) {
  std::vector<FrameRun> all;
  for (const FrameRun& run : runs) {
    if (!all.empty() && only_fate(run) && only_fate(run) == only_fate(all.back())) {
      all.back().merge(run);
    } else {
      all.push_back(run);
    }
  }
  return all;
}

void draw_run(Plot& plot, const FrameRun& run, double end) {
  double bottom = 0;
  for (const FrameFate fate : kFatesInOrder) {
    const guint64 frames = run.frames[size_t(fate)];
    if (frames > 0) {
      const double top = bottom + double(frames) / double(run.count());
      plot.add_box({seconds(run.begin), end, bottom, top}, style_of(fate), summary(run));
      bottom = top;
    }
  }
  if (run.late > 0) {
    const double part = double(run.late) / double(run.count());
    plot.add_box({seconds(run.begin), end, 0, 0.25 * part}, "late", summary(run));
  }
}

/// The ends of LEVELS' neighbours that do not follow one another at once: frames or samples between
/// them have no value.
bool is_gap(const Level& before, const Level& after) {
  const double width = seconds(before.end - before.begin);
  return seconds(after.begin) - seconds(before.end) > std::max(0.1, width);
}

void draw_mouth(Plot& plot, const std::vector<Level>& levels) {
  std::vector<PlotPoint> line;
  std::vector<PlotSpan> band;
  for (size_t index = 0; index < levels.size(); ++index) {
    const Level& level = levels[index];
    if (index > 0 && is_gap(levels[index - 1], level)) {
      line.push_back({0, kNone});
      band.push_back({0, kNone, kNone});
    }
    const double middle = (seconds(level.begin) + seconds(level.end)) / 2;
    line.push_back({middle, level.mean()});
    band.push_back({middle, level.least, level.most});
  }
  plot.add_band(band, "mouth");
  plot.add_line(line, "mouth");
}

void draw_loudness(Plot& plot, const std::vector<Level>& levels) {
  std::vector<PlotSpan> band;
  for (size_t index = 0; index < levels.size(); ++index) {
    const Level& level = levels[index];
    if (index > 0 && is_gap(levels[index - 1], level)) {
      band.push_back({0, kNone, kNone});
    }
    band.push_back({seconds(level.begin), kLeastLevel, level.most});
    band.push_back({seconds(level.end), kLeastLevel, level.most});
  }
  plot.add_band(band, "loudness");
}

std::vector<std::vector<std::string>> level_rows(const std::vector<Level>& levels, int decimals) {
  std::vector<std::vector<std::string>> rows;
  for (const Level& level : fewer(levels, kMostRows)) {
    rows.push_back({times(level.begin, level.end), short_number(level.least, decimals),
                    short_number(level.mean(), decimals), short_number(level.most, decimals)});
  }
  return rows;
}

/// The axis' end above MOST: a round number.
double axis_end(double most) {
  const auto ticks = value_ticks(0, most * 1.25, 5);
  return ticks.size() > 1 ? std::max(most * 1.05, ticks.back().value) : std::max(most, 1e-3);
}

std::string window_name(const WindowRun& run) {
  return times(run.begin, run.end) +
         (run.windows == 1 ? "" : ", mean of " + std::to_string(run.windows) + " windows");
}

void draw_stages(Plot& plot, const WindowRun& run) {
  const auto windows = double(run.windows);
  double bottom = 0;
  for (size_t stage = 0; stage < kStageNames.size(); ++stage) {
    const double time = run.stages[stage] / windows;
    if (time > 0) {
      plot.add_box(
          {seconds(run.begin), seconds(run.end), bottom, bottom + time}, kStageNames[stage],
          window_name(run) + ": " + kStageNames[stage] + " " + short_number(time, 3) + " s");
    }
    bottom += time;
  }
}

std::string bytes_text(double bytes) {
  const double mebibytes = bytes / kMebibyte;
  return mebibytes < 1024 ? short_number(mebibytes, mebibytes < 10 ? 1 : 0) + " MiB"
                          : short_number(mebibytes / 1024, 2) + " GiB";
}

std::string plan_words(const Recording& recording) {
  const PlannedMemory& plan = recording.plan;
  std::string text = "The fullest window held " + bytes_text(double(recording.memory_peak));
  if (plan.peak >= 0) {
    text += "; " + bytes_text(double(plan.peak)) + " were planned";
  }
  if (plan.budget >= 0) {
    text += " of a budget of " + bytes_text(double(plan.budget));
  }
  if (plan.total >= 0 && !plan.device.empty()) {
    text += " (" + plan.device + " has " + bytes_text(double(plan.total)) + ")";
  }
  if (!plan.rung.empty() && plan.rung != "whole") {
    text += ". Fitted into the memory with: " + plan.rung;
  }
  return text + ".";
}

}  // namespace

const char* words_for(FrameFate fate) {
  switch (fate) {
    case FrameFate::kEdited:
      return "edited";
    case FrameFate::kNoFace:
      return "passed: no face";
    case FrameFate::kImplausible:
      return "passed: face too small, odd or uncertain";
    case FrameFate::kNotRendered:
      break;
  }
  return "passed: not rendered";
}

const char* style_of(FrameFate fate) {
  switch (fate) {
    case FrameFate::kEdited:
      return "edited";
    case FrameFate::kNoFace:
      return "no-face";
    case FrameFate::kImplausible:
      return "implausible";
    case FrameFate::kNotRendered:
      break;
  }
  return "not-rendered";
}

std::string frames_section(const Recording& recording) {
  const std::vector<FrameRun> runs = joined(recording.runs);
  const double length = seconds(recording.length);
  Plot plot({"frames-plot", "What became of the frames",
             "A strip from the beginning to the end: edited, passed with the reason, or late."},
            length, 0, 1, 30);
  std::vector<std::vector<std::string>> rows;
  for (size_t index = 0; index < runs.size(); ++index) {
    draw_run(plot, runs[index],
             index + 1 < runs.size() ? seconds(runs[index + 1].begin) : seconds(runs[index].end));
  }
  for (const FrameRun& run : fewer(runs, kMostRows)) {
    std::vector<std::string> cells{times(run.begin, run.end)};
    for (const guint64 frames : run.frames) {
      cells.push_back(std::to_string(frames));
    }
    cells.push_back(std::to_string(run.late));
    rows.push_back(std::move(cells));
  }
  plot.add_x_ticks(time_ticks(length, kTimeTicks));
  std::vector<std::pair<std::string, std::string>> kinds;
  for (const FrameFate fate : kFatesInOrder) {
    if (recording.fates[size_t(fate)] > 0) {
      kinds.emplace_back(style_of(fate), words_for(fate));
    }
  }
  if (recording.late > 0) {
    kinds.emplace_back("late", "late");
  }
  return section(
      "frames", "What became of the frames",
      plot.svg() + legend(kinds) +
          table("Frames", {"time", "edited", "no face", "face refused", "not rendered", "late"},
                rows));
}

std::string speech_section(const Recording& recording) {
  const double length = seconds(recording.length);
  double most = 0.1;
  for (const Level& level : recording.mouth) {
    most = std::max(most, level.most);
  }
  std::string html;
  std::vector<std::pair<std::string, std::string>> kinds;
  if (recording.mouth.empty()) {
    html += "<p class=\"soft\">No mouth was measured.</p>\n";
  } else {
    Plot mouth({"mouth-plot", "Opening of the mouth",
                "Distance of the inner lips in the result, as a fraction of the mouth's width, "
                "over time."},
               length, 0, axis_end(most), 120);
    mouth.add_y_ticks(value_ticks(0, axis_end(most), 4));
    draw_mouth(mouth, recording.mouth);
    html += "<h3>Opening of the mouth in the result</h3>\n" + mouth.svg();
    kinds.emplace_back("mouth", "distance of the inner lips, as a fraction of the mouth's width");
  }
  if (recording.loudness.empty()) {
    html += "<p class=\"soft\">There was no speech.</p>\n";
  } else {
    Plot loudness({"loudness-plot", "Loudness of the speech",
                   "Level of the speech that drives the mouth, in decibels below full scale, over "
                   "time."},
                  length, kLeastLevel, 0, 80);
    draw_loudness(loudness, recording.loudness);
    loudness.add_y_ticks(value_ticks(kLeastLevel, 0, 4, " dB"));
    loudness.add_x_ticks(time_ticks(length, kTimeTicks));
    html += "<h3>Loudness of the speech</h3>\n" + loudness.svg();
    kinds.emplace_back("loudness", "level of the speech, dB below full scale");
  }
  return section("speech", "Mouth and speech",
                 html + legend(kinds) +
                     table("The mouth", {"time", "mouth, least", "mean", "most"},
                           level_rows(recording.mouth, 3)) +
                     table("The speech", {"time", "speech (dB), least", "mean", "most"},
                           level_rows(recording.loudness, 1)));
}

std::string time_section(const Recording& recording) {
  double most = 0;
  std::array<double, kStageNames.size()> sums{};
  std::vector<std::vector<std::string>> rows;
  for (const WindowRun& run : recording.costs) {
    double sum = 0;
    for (size_t stage = 0; stage < sums.size(); ++stage) {
      sum += run.stages[stage] / double(run.windows);
      sums[stage] += run.stages[stage];
    }
    most = std::max(most, sum);
  }
  Plot plot({"time-plot", "Rendering time of each window",
             "Seconds that each stage of a window took, stacked, over time."},
            seconds(recording.length), 0, axis_end(most), 150);
  plot.add_y_ticks(value_ticks(0, axis_end(most), 5, " s"));
  for (const WindowRun& run : recording.costs) {
    draw_stages(plot, run);
  }
  plot.add_x_ticks(time_ticks(seconds(recording.length), kTimeTicks));
  for (const WindowRun& run : fewer(recording.costs, kMostRows)) {
    std::vector<std::string> cells{times(run.begin, run.end), std::to_string(run.windows),
                                   std::to_string(run.cached)};
    for (const double stage : run.stages) {
      cells.push_back(short_number(stage / double(run.windows), 3));
    }
    cells.push_back(short_number(run.seconds / double(run.windows), 3));
    rows.push_back(std::move(cells));
  }
  std::vector<std::pair<std::string, std::string>> kinds;
  for (size_t stage = 0; stage < sums.size(); ++stage) {
    kinds.emplace_back(kStageNames[stage], std::string(kStageNames[stage]) + ", " +
                                               short_number(sums[stage], 1) + " s in all");
  }
  std::vector<std::string> head{"time", "windows", "from the cache"};
  head.insert(head.end(), kStageNames.begin(), kStageNames.end());
  head.emplace_back("whole window (s)");
  return section("time", "Rendering time of each window",
                 plot.svg() + legend(kinds) + table("Times", head, rows));
}

std::string memory_section(const Recording& recording) {
  double most = double(std::max(recording.memory_peak, recording.plan.peak));
  const bool large = most >= 4096 * kMebibyte;
  const double unit = large ? 1024 * kMebibyte : kMebibyte;
  most = axis_end(std::max(most, kMebibyte) / unit);
  Plot plot({"memory-plot", "Memory of each window",
             "The most memory that a window held, and what was planned for it, over time."},
            seconds(recording.length), 0, most, 100);
  plot.add_y_ticks(value_ticks(0, most, 4, large ? " GiB" : " MiB"));
  std::vector<PlotPoint> planned;
  std::vector<std::vector<std::string>> rows;
  for (const WindowRun& run : recording.costs) {
    const double begin = seconds(run.begin);
    const double end = seconds(run.end);
    plot.add_box({begin, end, 0, double(run.memory_peak) / unit}, "peak",
                 window_name(run) + ": " + bytes_text(double(run.memory_peak)));
    if (run.memory_planned > 0) {
      planned.push_back({begin, double(run.memory_planned) / unit});
      planned.push_back({end, double(run.memory_planned) / unit});
    }
  }
  plot.add_line(planned, "plan");
  plot.add_x_ticks(time_ticks(seconds(recording.length), kTimeTicks));
  for (const WindowRun& run : fewer(recording.costs, kMostRows)) {
    rows.push_back({times(run.begin, run.end), short_number(double(run.memory_peak) / kMebibyte, 1),
                    short_number(double(run.memory_planned) / kMebibyte, 1)});
  }
  return section("memory", "Memory, beside the plan",
                 "<p class=\"soft\">" + escaped(plan_words(recording)) + "</p>\n" + plot.svg() +
                     legend({{"peak", "the most that a window held"}, {"plan", "planned"}}) +
                     table("Memory", {"time", "held (MiB)", "planned (MiB)"}, rows));
}

}  // namespace latentsync::transcode
