#pragma once

#include "examples/transcode/interrupt.h"

#include <optional>
#include <string>
#include <vector>

namespace latentsync::transcode {

/// An open file, closed in the end.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;

  int number() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

 private:
  int number_;
};

/// The file .NAMEENDING in the folder of PATH, whose name is NAME, or is too long for an addition.
std::string hidden_beside(const std::string& path, const std::string& ending);

/// The file beside PATH that the one job that writes PATH holds locked.
std::string lock_of(const std::string& path);

/// A file that is written beside its place under a name of its own, NAME.latentsync-….partial, and
/// gets its name when it is whole; one that does not become whole is removed. While this lives no
/// other job writes the same file; the lock goes with the process, however that ends.
class OutputFile {
 public:
  /// Removes what killed jobs left behind, but none of INPUTS. HINT: what to do, for the line that
  /// says that the work was interrupted; may be empty. Throws Problem: another job is writing PATH,
  /// the folder is not there or cannot be written to, PATH is a folder or a device.
  OutputFile(const std::string& path, const std::vector<std::string>& inputs,
             const std::string& hint);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  const std::string& path() const { return path_; }
  const std::string& partial() const { return partial_; }
  /// Throws Problem: what was written did not reach the disk.
  void keep();

 private:
  void lock();
  void remove_stale(const std::vector<std::string>& inputs) const;
  void create_partial(const std::string& hint);

  std::string path_;
  std::string lock_path_;
  Descriptor lock_;
  std::string partial_;
  std::optional<Farewell> farewell_;
  bool kept_ = false;
};

}  // namespace latentsync::transcode
