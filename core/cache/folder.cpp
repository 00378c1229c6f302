#include "core/cache/folder.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace latentsync::cache {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEntryEnd = ".entry";
constexpr std::string_view kPartEnd = ".part";
constexpr time_t kPartLife = 3600;  // seconds
constexpr size_t kDigits = 2 * std::tuple_size_v<Digest>;

struct Stored {
  fs::path path;
  uint64_t size = 0;
  timespec used{};
};

struct Contents {
  std::vector<Stored> entries;
  std::vector<Stored> parts;
};

std::optional<fs::path> absolute_variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || value[0] != '/') return std::nullopt;
  return value;
}

bool is_digits(std::string_view text, size_t count) {
  return text.size() == count &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

void add_files(const fs::path& folder, Contents& contents) {
  std::error_code error;
  for (fs::directory_iterator file(folder, error), end; !error && file != end;
       file.increment(error)) {
    const std::string name = file->path().filename();
    const bool entry = is_digits(name.substr(0, name.find('.')), kDigits) &&
                       name.size() == kDigits + kEntryEnd.size() && name.ends_with(kEntryEnd);
    const bool part =
        is_digits(name.substr(0, name.find('.')), kDigits) && name.ends_with(kPartEnd);
    struct stat status {};
    if (!(entry || part) || ::lstat(file->path().c_str(), &status) != 0) continue;
    if (!S_ISREG(status.st_mode)) continue;
    (entry ? contents.entries : contents.parts)
        .push_back({file->path(), static_cast<uint64_t>(status.st_size), status.st_mtim});
  }
}

Contents contents_of(const fs::path& folder) {
  Contents contents;
  std::error_code error;
  for (fs::directory_iterator part(folder, error), end; !error && part != end;
       part.increment(error)) {
    if (is_digits(part->path().filename().string(), 2) && check_folder(part->path()) == 0) {
      add_files(part->path(), contents);
    }
  }
  return contents;
}

bool is_before(const timespec& a, const timespec& b) {
  return std::pair(a.tv_sec, a.tv_nsec) < std::pair(b.tv_sec, b.tv_nsec);
}

uint64_t total(const std::vector<Stored>& files) {
  uint64_t sum = 0;
  for (const auto& file : files) sum += file.size;
  return sum;
}

}  // namespace

std::optional<fs::path> default_folder() {
  if (const auto cache = absolute_variable("XDG_CACHE_HOME")) return *cache / "latentsync";
  if (const auto home = absolute_variable("HOME")) return *home / ".cache" / "latentsync";
  return std::nullopt;
}

fs::path entry_path(const fs::path& folder, const Key& key) {
  const auto name = key.text();
  return folder / name.substr(0, 2) / (name + std::string(kEntryEnd));
}

int make_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), S_IRWXU) == 0) return 0;
  if (errno == ENOENT && folder.has_relative_path()) {
    if (const int error = make_folder(folder.parent_path())) return error;
    if (::mkdir(folder.c_str(), S_IRWXU) == 0) return 0;
  }
  const int failure = errno;
  if (failure != EEXIST) return failure;
  std::error_code error;
  return fs::is_directory(folder, error) ? 0 : ENOTDIR;
}

int check_folder(const fs::path& path) noexcept {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return errno;
  return S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
}

timespec file_time() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now;
}

uint64_t trim(const fs::path& folder, uint64_t most, const timespec& since) {
  auto contents = contents_of(folder);
  const time_t now = std::time(nullptr);
  std::erase_if(contents.parts, [&](const Stored& part) {
    return now - part.used.tv_sec > kPartLife && ::unlink(part.path.c_str()) == 0;
  });
  uint64_t bytes = total(contents.entries) + total(contents.parts);
  if (bytes <= most) return bytes;
  std::ranges::sort(contents.entries, is_before, &Stored::used);
  const uint64_t wanted = most - most / 16;
  for (const auto& entry : contents.entries) {
    if (bytes <= wanted || !is_before(entry.used, since)) break;
    if (::unlink(entry.path.c_str()) == 0 || errno == ENOENT) bytes -= entry.size;
  }
  return bytes;
}

fs::path part_path(const fs::path& path) {
  static std::atomic<uint64_t> numbers = 0;
  std::random_device random;
  auto name = path;
  name.replace_extension('.' + std::to_string(::getpid()) + '-' + std::to_string(++numbers) + '-' +
                         std::to_string(random()) + std::string(kPartEnd));
  return name;
}

}  // namespace latentsync::cache
