#include "examples/transcode/output_file.h"

#include "examples/transcode/problem.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

namespace latentsync::transcode {
namespace {

namespace fs = std::filesystem;

bool same_file(const std::string& one, const std::string& other) {
  std::error_code ignored;
  return !other.empty() && fs::equivalent(one, other, ignored);
}

}  // namespace

OutputFile::OutputFile(const std::string& path, const std::string& input, const std::string& audio)
    : path_(path), partial_(path + ".partial") {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    throw Problem(path + ": this is a folder; name a file in it");
  }
  if (same_file(path, input) || same_file(path, audio)) {
    throw Problem(path + ": this is the input itself; name another output");
  }
  const fs::path folder = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : ".";
  if (!fs::is_directory(folder, ignored)) {
    throw Problem(path + ": there is no folder " + folder.string());
  }
  const int file = ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) {
    throw Problem(path + ": cannot be written: " + std::strerror(errno));
  }
  ::close(file);
}

OutputFile::~OutputFile() {
  if (!kept_) {
    ::unlink(partial_.c_str());
  }
}

void OutputFile::keep() {
  const int file = ::open(partial_.c_str(), O_RDONLY | O_CLOEXEC);
  const bool reached = file >= 0 && ::fsync(file) == 0;
  const int reason = errno;
  if (file >= 0) {
    ::close(file);
  }
  if (!reached) {
    throw Problem(path_ + ": cannot be written: " + std::strerror(reason));
  }
  if (::rename(partial_.c_str(), path_.c_str()) != 0) {
    throw Problem(path_ + ": cannot be written: " + std::strerror(errno));
  }
  kept_ = true;
}

}  // namespace latentsync::transcode
