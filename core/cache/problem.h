#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace latentsync::cache {

/// Why the cache was of no use, for a warning: one for each kind is enough.
struct Problem {
  enum class Kind {
    kFolder,   ///< there is none, or it is something else
    kRead,     ///< an entry is there and the system refuses to read it
    kForeign,  ///< something else lies in an entry's place
    kDamaged,  ///< an entry is not what was written
    kWrite,    ///< an entry could not be written
    kSize,     ///< an entry is larger than the whole cache may be
    kFull,     ///< no room, but for what the job itself has used
    kModel,    ///< nobody can say any more which model was loaded
  };
  Kind kind;
  std::string sentence;  ///< for people: the path, the cause, what to do
};

Problem folder_problem(const std::filesystem::path& folder, int error);
Problem read_problem(const std::filesystem::path& file, int error);
/// WHAT lies there: "a link", "a folder".
Problem foreign_problem(const std::filesystem::path& file, const std::string& what);
/// WHAT is wrong with it: "it is cut off".
Problem damaged_problem(const std::filesystem::path& file, const std::string& what);
Problem write_problem(const std::filesystem::path& folder, int error);
/// MOST, of the cache, is bytes.
Problem full_problem(const std::filesystem::path& folder, uint64_t most);
/// SIZE, of an entry, and MOST, of the cache, are bytes.
Problem size_problem(const std::filesystem::path& folder, uint64_t size, uint64_t most);

}  // namespace latentsync::cache
