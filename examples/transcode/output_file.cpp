#include "examples/transcode/output_file.h"

#include "examples/transcode/file_identity.h"
#include "examples/transcode/problem.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <string_view>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace latentsync::transcode {
namespace {

namespace fs = std::filesystem;

constexpr char kMark[] = ".latentsync-";
constexpr char kPartial[] = ".partial";
constexpr char kLock[] = ".latentsync-lock";
constexpr size_t kLongestAddition = 40;
constexpr auto kLeftOnAnotherMachine = std::chrono::hours(24);

std::string hexadecimal(uint64_t number, int digits) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
    text += kDigits[number >> shift & 15];
  }
  return text;
}

/// FNV-1a.
uint64_t hash(std::string_view text) {
  uint64_t value = 14695981039346656037U;
  for (const char letter : text) {
    value = (value ^ static_cast<unsigned char>(letter)) * 1099511628211U;
  }
  return value;
}

fs::path folder_of(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? "." : folder;
}

size_t longest_name(const fs::path& folder) {
  const long most = ::pathconf(folder.c_str(), _PC_NAME_MAX);
  return most > 0 ? std::max<size_t>(size_t(most), 2 * kLongestAddition) : 255;
}

/// The name of PATH, or one that is as good as unique to it where nothing could be added to it.
std::string name_for_additions(const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  const size_t most = longest_name(folder_of(path)) - kLongestAddition;
  if (name.size() <= most) {
    return name;
  }
  size_t length = most - 17;
  while (length > 0 && (name[length] & 0xc0) == 0x80) {
    --length;
  }
  return name.substr(0, length) + "-" + hexadecimal(hash(name), 16);
}

/// Whether NAME is that of a partial file whose name begins with BEGIN.
bool is_partial(const std::string& name, const std::string& begin) {
  const auto is_hexadecimal = [&](size_t at) {
    return name.find_first_not_of("0123456789abcdef", at) >= at + 8;
  };
  return name.size() == begin.size() + 17 + std::strlen(kPartial) && name.starts_with(begin) &&
         name.ends_with(kPartial) && is_hexadecimal(begin.size()) &&
         name[begin.size() + 8] == '-' && is_hexadecimal(begin.size() + 9);
}

/// Of this machine, in names: a lock of another one cannot be relied on in every file system.
std::string machine() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return hexadecimal(hash(name), 8);
}

int open_lock(const std::string& path) {
  constexpr int kFlags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  // A lock file that a killed job of another user left cannot be written to, but locked.
  int file = ::open(path.c_str(), O_RDWR | O_CREAT | kFlags, 0666);
  return file >= 0 || errno != EACCES ? file : ::open(path.c_str(), O_RDONLY | kFlags);
}

/// Whether FILE still has its name PATH.
bool is_named(int file, const std::string& path) {
  struct stat opened = {};
  struct stat named = {};
  return ::fstat(file, &opened) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

bool is_input(const std::string& path, const std::vector<std::string>& inputs) {
  const auto identity = identify(path);
  return std::any_of(inputs.begin(), inputs.end(),
                     [&](const std::string& input) { return identify(input) == identity; });
}

void check_place(const std::string& path) {
  std::error_code ignored;
  const fs::path folder = folder_of(path);
  if (fs::is_directory(path, ignored)) {
    throw Problem(path + ": this is a folder; name a file in it");
  }
  if (!fs::is_directory(folder, ignored)) {
    throw Problem(path + ": there is no folder " + folder.string());
  }
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored)) {
    throw Problem(path + ": this is a pipe, socket or device; name a file");
  }
  if (fs::path(path).filename().string().size() > longest_name(folder)) {
    throw cannot_write(path, ENAMETOOLONG);
  }
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) {
    ::close(number_);
  }
}

Descriptor::Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

std::string hidden_beside(const std::string& path, const std::string& ending) {
  return (fs::path(path).parent_path() / ("." + name_for_additions(path) + ending)).string();
}

std::string lock_of(const std::string& path) { return hidden_beside(path, kLock); }

OutputFile::OutputFile(const std::string& path, const std::vector<std::string>& inputs,
                       const std::string& hint, Writers writers)
    : path_(path), writers_(writers), lock_path_(lock_of(path)) {
  check_place(path);
  if (writers_ == Writers::kOne) {
    lock();
  }
  remove_stale(inputs);
  create_partial(hint);
}

OutputFile::~OutputFile() {
  if (!kept_) {
    ::unlink(partial_.c_str());
  }
  farewell_.reset();
  if (lock_ && writers_ == Writers::kOne) {
    ::unlink(lock_path_.c_str());
  }
}

void OutputFile::lock() {
  for (;;) {
    Descriptor file(open_lock(lock_path_));
    if (!file) {
      throw cannot_write(path_, errno);
    }
    if (::flock(file.number(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) {
        throw Problem(
            "another job is writing " + path_ + "; wait until it has ended, or name another output",
            kTryAgain);
      }
      // A file system without locks: each job still has a partial file of its own.
      ::unlink(lock_path_.c_str());
      return;
    }
    // The job that held it may have removed it in the meantime.
    if (is_named(file.number(), lock_path_)) {
      lock_ = std::move(file);
      return;
    }
  }
}

void OutputFile::remove_stale(const std::vector<std::string>& inputs) const {
  if (!lock_ && writers_ == Writers::kOne) {
    return;
  }
  const std::string begin = name_for_additions(path_) + kMark;
  const std::string own = begin + machine();
  std::error_code ignored;
  for (fs::directory_iterator entry(folder_of(path_), ignored), end; entry != end;
       entry.increment(ignored)) {
    const std::string name = entry->path().filename().string();
    if (!is_partial(name, begin) || !fs::is_regular_file(entry->symlink_status(ignored)) ||
        is_input(entry->path().string(), inputs)) {
      continue;
    }
    const auto age = fs::file_time_type::clock::now() - entry->last_write_time(ignored);
    const bool left =
        name.starts_with(own) ? !is_in_use(entry->path().string()) : age > kLeftOnAnotherMachine;
    if (left) {
      ::unlink(entry->path().c_str());
    }
  }
}

/// Of this machine: whoever writes one that may have several writers has it locked.
bool OutputFile::is_in_use(const std::string& partial) const {
  if (writers_ == Writers::kOne) {
    return false;
  }
  const Descriptor file(::open(partial.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  return !file || ::flock(file.number(), LOCK_EX | LOCK_NB) != 0;
}

/// Makes the file under a name that no other job has.
Descriptor OutputFile::open_partial() {
  const fs::path folder = fs::path(path_).parent_path();
  const std::string begin = name_for_additions(path_) + kMark + machine() + "-";
  for (;;) {
    uint32_t number = 0;
    if (::getrandom(&number, sizeof number, 0) != sizeof number) {
      throw cannot_write(path_, errno);
    }
    partial_ = (folder / (begin + hexadecimal(number, 8) + kPartial)).string();
    Descriptor file(::open(partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!file && errno == EEXIST) {
      continue;
    }
    if (!file) {
      const int reason = errno;
      if (writers_ == Writers::kOne) {
        ::unlink(lock_path_.c_str());
      }
      throw cannot_write(path_, reason);
    }
    if (writers_ == Writers::kOne) {
      return file;
    }
    // A file system without locks: no file is removed there. Another job may have taken the
    // new file for one that was left.
    ::flock(file.number(), LOCK_EX);
    if (is_named(file.number(), partial_)) {
      return file;
    }
  }
}

void OutputFile::create_partial(const std::string& hint) {
  Descriptor file = open_partial();
  std::vector<std::string> own{partial_};
  if (writers_ == Writers::kOne) {
    own.push_back(lock_path_);
  } else {
    lock_ = std::move(file);
  }
  farewell_.emplace(path_ + " is not written" + (hint.empty() ? "" : "; " + hint), own);
}

void OutputFile::keep() { keep_as(path_); }

void OutputFile::keep_as(const std::string& path) {
  const Descriptor file(::open(partial_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || ::fsync(file.number()) != 0 || ::rename(partial_.c_str(), path.c_str()) != 0) {
    throw cannot_write(path, errno);
  }
  kept_ = true;
}

}  // namespace latentsync::transcode
