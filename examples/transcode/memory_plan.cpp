#include "examples/transcode/memory_plan.h"

#include "examples/transcode/element.h"
#include "examples/transcode/handles.h"
#include "examples/transcode/media_reader.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

namespace latentsync::transcode {
namespace {

constexpr std::array kNeeds = {"weights", "workspaces", "frames"};
constexpr std::array kStages = {"face", "audio", "encode", "denoise", "decode", "paste"};
/// The mark of a row: used, or not.
constexpr std::array kMarks = {"  ", "* "};

struct Size {
  int width = 0;  ///< 0: the element's own assumption
  int height = 0;
};

Size frame_size(const Clip& clip) {
  if (clip.input.empty()) {
    return {};
  }
  Warnings ignored;
  MediaReader video(clip.input, StreamKind::kVideo, "video/x-raw", ignored);
  const Size size{video.width(), video.height()};
  video.stop();
  return size;
}

std::string text(const GstStructure* structure, const char* name) {
  const gchar* value = gst_structure_get_string(structure, name);
  return value == nullptr ? "" : value;
}

gint64 number(const GstStructure* structure, const char* name) {
  gint64 value = 0;
  gst_structure_get_int64(structure, name, &value);
  return value;
}

/// BYTES in MiB, rounded up.
std::string mebibytes(gint64 bytes) {
  constexpr gint64 kMebibyte = 1 << 20;
  return bytes < 0 ? "unknown" : std::to_string((bytes + kMebibyte - 1) / kMebibyte);
}

/// A row of the table: the rung's name, and bytes in the columns' order.
std::vector<std::string> row(const GstStructure* rung) {
  std::vector<std::string> cells{text(rung, "name")};
  for (const char* need : kNeeds) {
    cells.push_back(mebibytes(number(rung, need)));
  }
  GstStructure* stages = nullptr;
  gst_structure_get(rung, "stages", GST_TYPE_STRUCTURE, &stages, nullptr);
  const StructurePtr owner(stages);
  for (const char* stage : kStages) {
    cells.push_back(mebibytes(number(stages, stage)));
  }
  cells.push_back(mebibytes(number(rung, "peak")));
  return cells;
}

std::vector<std::vector<std::string>> table(const GstStructure* plan) {
  std::vector<std::string> head{"MiB"};
  head.insert(head.end(), kNeeds.begin(), kNeeds.end());
  head.insert(head.end(), kStages.begin(), kStages.end());
  head.emplace_back("peak");
  std::vector<std::vector<std::string>> rows{head};
  const GValue* rungs = gst_structure_get_value(plan, "rungs");
  for (guint index = 0; index < gst_value_array_get_size(rungs); ++index) {
    rows.push_back(row(gst_value_get_structure(gst_value_array_get_value(rungs, index))));
  }
  return rows;
}

void print_table(const std::vector<std::vector<std::string>>& rows, const std::string& used) {
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const auto& cells : rows) {
    for (size_t column = 0; column < cells.size(); ++column) {
      widths[column] = std::max(widths[column], cells[column].size());
    }
  }
  for (const auto& cells : rows) {
    std::printf("%s%-*s", kMarks[cells.front() == used ? 1 : 0], int(widths[0]),
                cells.front().c_str());
    for (size_t column = 1; column < cells.size(); ++column) {
      std::printf("  %*s", int(widths[column]), cells[column].c_str());
    }
    std::printf("\n");
  }
}

/// What the element says; throws Problem where no plan can be made.
StructurePtr ask(GstElement* element, const Size& size) {
  GstStructure* answer = nullptr;
  g_signal_emit_by_name(element, "plan-memory", guint(size.width), guint(size.height), &answer);
  StructurePtr plan(answer);
  if (!plan) {
    throw Problem("this plugin makes no memory plan; install the plugin of this program");
  }
  if (gst_structure_has_name(plan.get(), "latentsync-error")) {
    throw Problem(one_line(text(plan.get(), "message")),
                  status_of_cause(text(plan.get(), "cause")));
  }
  return plan;
}

}  // namespace

ExitStatus print_memory_plan(const Clip& clip, const Options& options) {
  const ElementPtr element = make_element(options);
  Size size = frame_size(clip);
  const StructurePtr plan = ask(element.get(), size);
  if (size.width == 0) {
    size = {1920, 1080};
  }
  const GstStructure* made = plan.get();
  gboolean fits = FALSE;
  gst_structure_get_boolean(made, "fits", &fits);
  std::printf("device %s, precision %s, resolution %" G_GINT64_FORMAT ", frames of %dx%d\n",
              text(made, "device").c_str(), text(made, "precision").c_str(),
              number(made, "resolution"), size.width, size.height);
  std::printf("memory in MiB: total %s, free %s, budget %s\n\n",
              mebibytes(number(made, "total")).c_str(), mebibytes(number(made, "free")).c_str(),
              mebibytes(number(made, "budget")).c_str());
  const std::string rung = text(made, "rung");
  print_table(table(made), fits ? rung : "");
  if (!fits) {
    std::fflush(stdout);
    throw Problem(one_line(text(made, "advice")), kDoesNotFit);
  }
  std::printf("\n* %s is used: windows of at most %" G_GINT64_FORMAT " frames\n", rung.c_str(),
              number(made, "window-frames"));
  return kWhole;
}

std::string planned_device(GstElement* element) { return text(ask(element, {}).get(), "device"); }

std::string memory_line(const GstStructure* plan) {
  const std::string rung = text(plan, "rung");
  if (rung == "whole") {
    return "";
  }
  return "memory: " + rung + ", " + mebibytes(number(plan, "peak")) + " MiB of " +
         mebibytes(number(plan, "budget")) + ", windows of at most " +
         std::to_string(number(plan, "window-frames")) + " frames";
}

}  // namespace latentsync::transcode
