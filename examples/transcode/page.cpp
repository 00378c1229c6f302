#include "examples/transcode/page.h"

#include "examples/transcode/handles.h"
#include "examples/transcode/markup.h"
#include "examples/transcode/page_plots.h"
#include "examples/transcode/page_style.h"
#include "examples/transcode/svg.h"

#include <cmath>
#include <filesystem>

namespace latentsync::transcode {
namespace {

double seconds(GstClockTime time) { return double(time) / GST_SECOND; }

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

std::string base64(const std::string& bytes) {
  const TextPtr text(
      g_base64_encode(reinterpret_cast<const guchar*>(bytes.data()), gsize(bytes.size())));
  return text.get();
}

std::string percent(guint64 part, guint64 whole) {
  return whole == 0 ? "0 %" : short_number(100 * double(part) / double(whole), 1) + " %";
}

std::string tile(const std::string& name, const std::string& value, const std::string& more = "") {
  return "<div><dt>" + escaped(name) + "</dt><dd>" + escaped(value) +
         (more.empty() ? "" : "<small>" + escaped(more) + "</small>") + "</dd></div>\n";
}

std::string head(const PageFacts& facts) {
  return "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
         "<meta charset=\"utf-8\"/>\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
         "<meta name=\"generator\" content=\"latentsync-transcode " +
         escaped(facts.version) +
         "\"/>\n<title>Lip-sync report: " + escaped(file_name(facts.output)) + "</title>\n<style>" +
         kPageStyle + "</style>\n</head>\n<body>\n<main>\n";
}

std::string state_of(const PageFacts& facts) {
  switch (facts.state) {
    case PageState::kWhole:
      return "<span class=\"state good\">complete</span>";
    case PageState::kEarly:
      return "<span class=\"state note\">interrupted: the output ends early</span>";
    case PageState::kFailed:
      break;
  }
  return "<span class=\"state bad\">failed: there is no output</span>";
}

std::string header(const PageFacts& facts) {
  std::string html = "<header>\n<p class=\"eyebrow\">Lip-sync report</p>\n<h1>" +
                     escaped(file_name(facts.output)) + "</h1>\n<p>" + state_of(facts) +
                     "</p>\n<p class=\"files\">Video: " + escaped(facts.input);
  if (facts.speech != facts.input) {
    html += "<br/>Speech: " + escaped(facts.speech);
  }
  if (facts.sound != facts.speech) {
    html += "<br/>Sound: " + escaped(facts.sound);
  }
  return html + "</p>\n</header>\n";
}

std::string messages(const PageFacts& facts, const Recording& recording) {
  std::string html;
  if (!facts.problem.empty()) {
    html += "<div class=\"message bad\" role=\"alert\" id=\"problem\"><b>" +
            escaped(facts.problem) + "</b></div>\n";
  }
  if (!recording.warnings.empty()) {
    html += "<div class=\"message note\" id=\"warnings\"><b>Warnings</b>\n<ul>\n";
    for (const std::string& warning : recording.warnings) {
      html += "<li>" + escaped(warning) + "</li>\n";
    }
    html += "</ul></div>\n";
  }
  return html;
}

std::string tiles(const PageFacts& facts, const Recording& recording) {
  const guint64 edited = recording.fates[size_t(FrameFate::kEdited)];
  const guint64 passed = recording.frames - edited;
  std::string html = "<dl class=\"tiles\" id=\"summary\">\n";
  html += tile("Length", clock_time(seconds(recording.length), 0.1),
               recording.begin > 0 ? "from " + clock_time(seconds(recording.begin), 0.1) : "");
  html += tile("Frames", std::to_string(recording.frames));
  html += tile("Edited", percent(edited, recording.frames), std::to_string(edited) + " frames");
  html += tile("Passed unedited", std::to_string(passed),
               recording.late > 0 ? std::to_string(recording.late) + " late" : "");
  html += tile("Rendering time", clock_time(facts.seconds, facts.seconds < 60 ? 0.1 : 1),
               short_number(facts.frames_per_second, 2) + " frames/s");
  html += tile("Windows", std::to_string(recording.windows),
               std::to_string(recording.cached_windows) + " from the cache");
  return html + "</dl>\n";
}

std::string picture(const std::string& jpeg, const std::string& word, const std::string& what) {
  return "<div><img alt=\"" + escaped(what) + "\" src=\"data:image/jpeg;base64," + base64(jpeg) +
         "\"/><span>" + escaped(word) + "</span></div>";
}

std::string pair(const PicturePair& pictures, const std::string& kind) {
  const std::string when = " at " + clock_time(seconds(pictures.time), 0.1);
  return "<div class=\"pair " + kind + "\">" + picture(pictures.before, "before", "Before" + when) +
         picture(pictures.after, "after", "After" + when) + "</div>";
}

std::string caption(const PicturePair& pictures) {
  std::string text = clock_time(seconds(pictures.time), 0.1) + " · " + words_for(pictures.fate);
  // Of an ordinary frame it says nothing.
  const bool notable = pictures.least_certain || pictures.confidence < 0.99;
  if (notable && pictures.fate != FrameFate::kNotRendered && pictures.confidence > 0) {
    text += " · certainty of the face " + short_number(100 * pictures.confidence, 1) + " %";
  }
  return text + (pictures.least_certain ? " · the least certain edited frame" : "");
}

bool has_pictures(const PicturePair& pictures) {
  return !pictures.before.empty() && !pictures.after.empty();
}

std::string pictures_section(const Recording& recording) {
  std::string html;
  for (const PicturePair& whole : recording.whole) {
    if (has_pictures(whole)) {
      html += "<section id=\"whole\">\n<h2>Before and after</h2>\n<figure>" + pair(whole, "large") +
              "<figcaption>" + escaped(caption(whole)) + "</figcaption></figure>\n</section>\n";
    }
  }
  std::string figures;
  for (const PicturePair& face : recording.faces) {
    if (has_pictures(face)) {
      figures += std::string("<figure class=\"") + (face.least_certain ? "marked" : "face") +
                 "\">" + pair(face, "small") + "<figcaption>" + escaped(caption(face)) +
                 "</figcaption></figure>\n";
    }
  }
  if (!figures.empty()) {
    html += "<section id=\"faces\">\n<h2>Faces over time</h2>\n<div class=\"faces\">\n" + figures +
            "</div>\n</section>\n";
  }
  return html;
}

std::string entries(const std::string& id, const std::string& title, const std::string& more,
                    const std::vector<PageEntry>& all) {
  std::string html = "<section id=\"" + id + "\">\n<h2>" + escaped(title) + "</h2>\n" +
                     (more.empty() ? "" : "<p class=\"soft\">" + escaped(more) + "</p>\n") +
                     "<div class=\"table\"><table>\n<tbody>\n";
  for (const PageEntry& entry : all) {
    html += std::string("<tr") + (entry.changed ? " class=\"changed\"" : "") +
            "><th scope=\"row\">" + escaped(entry.name) + "</th><td>" + escaped(entry.value) +
            "</td></tr>\n";
  }
  return html + "</tbody></table></div>\n</section>\n";
}

}  // namespace

std::string page_of(const PageFacts& facts, const Recording& recording) {
  std::string html = head(facts) + header(facts) + messages(facts, recording) +
                     tiles(facts, recording) + pictures_section(recording);
  if (recording.frames > 0) {
    html += frames_section(recording) + speech_section(recording);
  }
  if (recording.windows > 0) {
    html += time_section(recording) + memory_section(recording);
  }
  html += "<div class=\"columns\">\n";
  if (!facts.model.empty()) {
    html += entries("model", "Model", "", facts.model);
  }
  html += entries("settings", "Settings in force", "Those that are not the default are bold.",
                  facts.settings) +
          "</div>\n<footer>latentsync " + escaped(facts.version) +
          (facts.date.empty() ? "" : " · " + escaped(facts.date)) +
          "</footer>\n</main>\n</body>\n</html>\n";
  return html;
}

}  // namespace latentsync::transcode
