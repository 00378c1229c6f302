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

enum class Writers {
  kOne,      ///< while one job writes a file, others are refused
  kSeveral,  ///< jobs may write the same at once, each its own; the last one that is whole stays
};

/// A file that is written beside its place under a name of its own, NAME.latentsync-….partial, and
/// gets its name when it is whole; one that does not become whole is removed. While this lives no
/// other job writes the same file, unless it may have several writers; locks go with the process,
/// however that ends.
class OutputFile {
 public:
  /// Removes what killed jobs left behind, but none of INPUTS. HINT: what to do, for the line that
  /// says that the work was interrupted; may be empty. Throws Problem: another job is writing PATH,
  /// the folder is not there or cannot be written to, PATH is a folder or a device.
  OutputFile(const std::string& path, const std::vector<std::string>& inputs,
             const std::string& hint, Writers writers = Writers::kOne);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  const std::string& path() const { return path_; }
  const std::string& partial() const { return partial_; }
  /// Throws Problem: what was written did not reach the disk.
  void keep();
  /// The same, but it gets the name PATH.
  void keep_as(const std::string& path);

 private:
  void lock();
  void remove_stale(const std::vector<std::string>& inputs) const;
  bool is_in_use(const std::string& partial) const;
  Descriptor open_partial();
  void create_partial(const std::string& hint);

  std::string path_;
  Writers writers_;
  std::string lock_path_;
  Descriptor lock_;
  std::string partial_;
  std::optional<Farewell> farewell_;
  bool kept_ = false;
};

}  // namespace latentsync::transcode
