#include "examples/transcode/list_file.h"

#include "examples/transcode/problem.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

namespace latentsync::transcode {
namespace {

constexpr std::string_view kMark = "\xef\xbb\xbf";

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

bool is_wide(std::string_view text) {
  return text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff") ||
         (text.size() > 1 && (text[0] == 0) != (text[1] == 0));
}

/// Stops at the first bytes that are no text: PATH may be a film.
std::string read_text(const std::string& path) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rbe"));
  if (!file) {
    throw Problem("--batch " + path + ": cannot be read: " + std::strerror(errno) +
                  (path == "-" ? "; for standard input give /dev/stdin" : ""));
  }
  std::string text;
  char part[65536];
  while (const size_t count = std::fread(part, 1, sizeof part, file.get())) {
    text.append(part, count);
    if (is_wide(text)) {
      throw Problem("--batch " + path + ": this list is UTF-16 text; save it as UTF-8", kNoRetry);
    }
    if (text.find('\0') != std::string::npos) {
      throw Problem(
          "--batch " + path +
              ": this is not UTF-8 text with one INPUT on each line; for a single video leave "
              "out --batch",
          kNoRetry);
    }
  }
  if (std::ferror(file.get()) != 0) {
    throw Problem("--batch " + path + ": cannot be read: " + std::strerror(errno));
  }
  return text;
}

/// LINE without what is not a part of a name: a list may be several ones put together, so that
/// there are marks in its middle.
std::string_view trimmed(std::string_view line) {
  while (line.starts_with(kMark)) {
    line.remove_prefix(kMark.size());
  }
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  return line;
}

}  // namespace

std::vector<std::string> list_lines(const std::string& path) {
  const std::string text = read_text(path);
  const char end = text.find('\n') == std::string::npos ? '\r' : '\n';
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t next = std::min(text.find(end, begin), text.size());
    const std::string_view line = trimmed(std::string_view(text).substr(begin, next - begin));
    if (line.find_first_not_of(" \t") != std::string_view::npos && !line.starts_with('#')) {
      lines.emplace_back(line);
    }
    begin = next + 1;
  }
  return lines;
}

}  // namespace latentsync::transcode
