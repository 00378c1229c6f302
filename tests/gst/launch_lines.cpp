#include "tests/gst/launch_lines.h"

#include <algorithm>
#include <fstream>
#include <regex>
#include <set>
#include <utility>

namespace latentsync::test {
namespace {

/// The text of a line without what makes it a comment.
std::string uncommented(const std::string& line) {
  static const std::regex comment(R"(^\s*(///?|\*)?\s*(\$ )?)");
  return std::regex_replace(line, comment, "", std::regex_constants::format_first_only);
}

/// Appends what follows to LINE: the rest of a |[ ... ]| block, or lines after a backslash.
void read_rest(std::ifstream& file, bool block, std::string& line) {
  std::string text;
  while (line.ends_with('\\') || block) {
    if (line.ends_with('\\')) line.pop_back();
    if (!std::getline(file, text) || text.find("]|") != std::string::npos) return;
    line += " " + uncommented(text);
  }
}

void read_lines(const std::filesystem::path& path, std::vector<LaunchLine>& lines) {
  const std::string program = "gst-launch-1.0 ";
  std::ifstream file(path);
  std::string text;
  bool block = false;
  while (std::getline(file, text)) {
    std::string line = uncommented(text);
    const size_t at = line.find(program);
    // What is spoken of in a sentence is in backquotes.
    if (at != std::string::npos && (at == 0 || line[at - 1] != '`')) {
      line = line.substr(at + program.size());
      read_rest(file, block, line);
      if (line.find("latentsync") != std::string::npos) lines.push_back({path.string(), line, {}});
    }
    block = line == "|[";
  }
}

std::string quoted(const std::filesystem::path& path) { return "\"" + path.string() + "\""; }

}  // namespace

std::vector<LaunchLine> documented_launch_lines(const std::filesystem::path& root) {
  std::set<std::filesystem::path> files = {root / "README.md"};
  for (const char* folder : {"docs", "gst", "gst/bin"}) {
    for (const auto& entry : std::filesystem::directory_iterator(root / folder)) {
      const auto extension = entry.path().extension();
      if (extension == ".md" || extension == ".cpp") files.insert(entry.path());
    }
  }
  std::vector<LaunchLine> lines;
  for (const auto& file : files) read_lines(file, lines);
  return lines;
}

LaunchLine with_small_media(const LaunchLine& line, const std::filesystem::path& folder) {
  static const std::regex uri(R"(uri=(\S+))");
  static const std::regex source(R"((filesrc\s+location=)(\S+))");
  static const std::regex sink(R"((filesink\s+location=)(\S+))");
  static const std::regex model(R"(model-path=\S+)");
  const auto small = [&](const std::string& name) {
    const bool sound = std::regex_search(name, std::regex(R"(\.(wav|mp3|flac|ogg|m4a)\W?$)"));
    return folder / (sound ? "speech.wav" : "in.mp4");
  };
  LaunchLine result{line.file, "", {}};
  std::string rest = std::regex_replace(line.text, model, "");
  std::smatch match;
  std::string text;
  for (; std::regex_search(rest, match, uri); rest = match.suffix()) {
    text += match.prefix().str() + "uri=\"file://" + small(match[1]).string() + "\"";
  }
  rest = std::exchange(text, "") + rest;
  for (; std::regex_search(rest, match, source); rest = match.suffix()) {
    text += match.prefix().str() + match[1].str() + quoted(small(match[2]));
  }
  rest = std::exchange(text, "") + rest;
  for (; std::regex_search(rest, match, sink); rest = match.suffix()) {
    const std::string name =
        "documented" + std::filesystem::path(match[2].str()).extension().string();
    result.written.push_back(name);
    text += match.prefix().str() + match[1].str() + quoted(folder / name);
  }
  text += rest;
  static const std::regex element(R"((^|\s)(latentsync(?:bin)?)(?=\s))");
  text = std::regex_replace(text, element,
                            "$1$2 model-path=fake:", std::regex_constants::format_first_only);
  // A camera or a screen is a test picture here; it ends.
  text = std::regex_replace(text, std::regex("v4l2src( device=\\S+)?"),
                            "videotestsrc is-live=true num-buffers=40");
  text = std::regex_replace(text, std::regex("(pulsesrc|alsasrc|autoaudiosrc)( device=\\S+)?"),
                            "audiotestsrc is-live=true num-buffers=80 samplesperbuffer=882");
  text =
      std::regex_replace(text, std::regex("(autovideosink|glimagesink|xvimagesink|autoaudiosink)"),
                         "fakesink sync=true");
  result.text = text;
  return result;
}

}  // namespace latentsync::test
