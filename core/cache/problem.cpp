#include "core/cache/problem.h"

#include <cerrno>
#include <system_error>

namespace latentsync::cache {
namespace {

constexpr uint64_t kMebibyte = uint64_t{1} << 20;

std::string quoted(const std::filesystem::path& path) { return '"' + path.string() + '"'; }

std::string cause(int error) { return std::generic_category().message(error); }

bool wants_room(int error) {
  return error == ENOSPC || error == EDQUOT || error == EFBIG || error == ENOMEM;
}

uint64_t mebibytes(uint64_t bytes) { return (bytes + kMebibyte - 1) / kMebibyte; }

}  // namespace

Problem folder_problem(const std::filesystem::path& folder, int error) {
  return {Problem::Kind::kFolder, "The folder of the result cache, " + quoted(folder) +
                                      ", cannot be used: " + cause(error) +
                                      ". Windows are rendered without it; set disk-cache-dir to a "
                                      "folder that can be read and written."};
}

Problem read_problem(const std::filesystem::path& file, int error) {
  return {Problem::Kind::kRead, "The result cache's file " + quoted(file) +
                                    " cannot be read: " + cause(error) +
                                    ". The window is rendered anew; check the file's permissions "
                                    "and the disk, or remove it."};
}

Problem foreign_problem(const std::filesystem::path& file, const std::string& what) {
  return {Problem::Kind::kForeign, "The result cache has no file of its own at " + quoted(file) +
                                       ", but " + what +
                                       ". The window is rendered anew; remove what lies there."};
}

Problem damaged_problem(const std::filesystem::path& file, const std::string& what) {
  return {Problem::Kind::kDamaged, "The result cache's file " + quoted(file) +
                                       " is damaged: " + what +
                                       ". The window is rendered anew and the file replaced; if "
                                       "that happens again, check the disk."};
}

Problem write_problem(const std::filesystem::path& folder, int error) {
  const std::string advice =
      wants_room(error)
          ? "make room there, or set disk-cache-dir to a folder that has more."
          : "set disk-cache-dir to a folder that can be written to, or disk-cache=false.";
  return {Problem::Kind::kWrite, "A window could not be kept in the result cache " +
                                     quoted(folder) + ": " + cause(error) +
                                     ". The result is not affected; " + advice};
}

Problem full_problem(const std::filesystem::path& folder, uint64_t most) {
  return {Problem::Kind::kFull,
          "The result cache " + quoted(folder) + " may hold " + std::to_string(mebibytes(most)) +
              " MiB and is full of windows that were used since this job began. Further ones are "
              "rendered and not kept: set disk-cache-size to more."};
}

Problem size_problem(const std::filesystem::path& folder, uint64_t size, uint64_t most) {
  return {Problem::Kind::kSize,
          "The result cache " + quoted(folder) + " may hold " + std::to_string(mebibytes(most)) +
              " MiB, less than the " + std::to_string(mebibytes(size)) +
              " MiB of one window, and keeps nothing: set disk-cache-size to more."};
}

}  // namespace latentsync::cache
