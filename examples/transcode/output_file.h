#pragma once

#include <string>

namespace latentsync::transcode {

/// A file that is written beside its place as NAME.partial, and gets its name when it is whole; one
/// that does not become whole is removed.
class OutputFile {
 public:
  /// Throws Problem: the folder is not there or cannot be written to, PATH is a folder or the same
  /// file as INPUT or AUDIO.
  OutputFile(const std::string& path, const std::string& input, const std::string& audio);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  const std::string& path() const { return path_; }
  const std::string& partial() const { return partial_; }
  /// Throws Problem: what was written did not reach the disk.
  void keep();

 private:
  std::string path_;
  std::string partial_;
  bool kept_ = false;
};

}  // namespace latentsync::transcode
