#include "core/cache/entry.h"

#include "core/cache/hash.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace latentsync::cache {
namespace {

constexpr size_t kHeaderSize = 40;
constexpr size_t kChecksumSize = std::tuple_size_v<Digest>;
static_assert(kHeaderSize + kChecksumSize == kEntryOverhead);

using Header = std::array<std::byte, kHeaderSize>;

class File {
 public:
  explicit File(int number) : number_(number) {}
  ~File() {
    if (number_ >= 0) ::close(number_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

void put(std::span<std::byte> place, uint64_t value) {
  for (size_t i = 0; i < place.size(); ++i) place[i] = static_cast<std::byte>(value >> (8 * i));
}

Header header_of(const Key& key, uint64_t length) {
  constexpr char kMagic[] = "LSCACHE\n";
  Header header{};
  const std::span all(header);
  std::memcpy(header.data(), kMagic, 8);
  put(all.subspan(8, 4), kEntryVersion);
  std::memcpy(header.data() + 16, key.digest.data(), key.digest.size());
  put(all.subspan(32, 8), length);
  return header;
}

Digest checksum_of(const Header& header, std::span<const std::byte> payload) {
  Hasher hasher;
  hasher.update(header);
  hasher.update(payload);
  return hasher.digest();
}

// 0, or errno; EIO where the file ends early.
int read_all(int file, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::read(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) return EIO;
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return 0;
}

int write_all(int file, std::span<const std::byte> bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return 0;
}

std::optional<std::string> foreign_kind(const struct stat& status) {
  if (S_ISREG(status.st_mode)) return std::nullopt;
  if (S_ISDIR(status.st_mode)) return "a folder";
  if (S_ISFIFO(status.st_mode)) return "a pipe";
  return "something that is no file";
}

Found read_open_entry(const File& file, const std::filesystem::path& path, const Key& key) {
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) return {{}, read_problem(path, errno)};
  if (const auto kind = foreign_kind(status)) return {{}, foreign_problem(path, *kind)};
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size < kEntryOverhead) return {{}, damaged_problem(path, "it is cut off")};
  // Only a header that fits the file says how much memory is taken.
  Header header;
  if (const int error = read_all(file.number(), header)) return {{}, read_problem(path, error)};
  if (header != header_of(key, size - kEntryOverhead)) {
    return {{}, damaged_problem(path, "its header is not that of this entry")};
  }
  Bytes payload(size - kEntryOverhead);
  Digest checksum;
  for (const std::span<std::byte> part :
       {payload.span(), std::span<std::byte>(std::as_writable_bytes(std::span(checksum)))}) {
    if (const int error = read_all(file.number(), part)) return {{}, read_problem(path, error)};
  }
  if (checksum != checksum_of(header, payload.span())) {
    return {{}, damaged_problem(path, "its checksum is wrong")};
  }
  ::futimens(file.number(), nullptr);  // where that is not allowed, it is older than it could be
  return {std::move(payload), {}};
}

}  // namespace

Found read_entry(const std::filesystem::path& path, const Key& key) {
  // Without O_NONBLOCK, opening a pipe would wait for a writer.
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (file.number() >= 0) return read_open_entry(file, path, key);
  const int error = errno;
  if (error == ENOENT) return {};
  if (error == ELOOP) return {{}, foreign_problem(path, "a link")};
  if (error == ENXIO) return {{}, foreign_problem(path, "something that is no file")};
  return {{}, read_problem(path, error)};
}

int write_entry(const std::filesystem::path& part, const std::filesystem::path& path,
                const Key& key, std::span<const std::byte> payload) noexcept {
  const File file(::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                         S_IRUSR | S_IWUSR));
  if (file.number() < 0) return errno;
  const auto header = header_of(key, payload.size());
  const auto checksum = checksum_of(header, payload);
  int error = write_all(file.number(), header);
  if (error == 0) error = write_all(file.number(), payload);
  if (error == 0) error = write_all(file.number(), std::as_bytes(std::span(checksum)));
  if (error == 0 && ::fdatasync(file.number()) != 0) error = errno;
  if (error == 0 && std::rename(part.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) ::unlink(part.c_str());
  return error;
}

}  // namespace latentsync::cache
