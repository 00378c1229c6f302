#include "core/model/mapped_file.h"

#include "core/error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace latentsync::model {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int value) : value_(value) {}
  ~FileDescriptor() {
    if (value_ >= 0) ::close(value_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

[[noreturn]] void refuse_for_errno(const std::filesystem::path& path, const char* action,
                                   int error) {
  const std::string detail = std::string(action) + ": " + std::strerror(error);
  if (error == ENOENT || error == ENOTDIR) {
    throw Error(ErrorCode::kNotFound, "There is no model file \"" + path.string() + "\".", detail);
  }
  if (error == ENOMEM) {
    throw Error(ErrorCode::kOutOfMemory,
                "There is no memory to map the model file \"" + path.string() +
                    "\" into. Free memory, or raise the limit of the address space (ulimit -v): it "
                    "has to hold the files beside the weights.",
                detail);
  }
  throw Error(ErrorCode::kUnreadable,
              "Cannot read the model file \"" + path.string() + "\": " + std::strerror(error) +
                  ". Check the file and its permissions.",
              detail);
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  // Without O_NONBLOCK, opening a pipe would wait for a writer.
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) refuse_for_errno(path, "open", errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) refuse_for_errno(path, "fstat", errno);
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorCode::kUnreadable,
                "Cannot read \"" + path.string() + "\": it is " +
                    (S_ISDIR(status.st_mode) ? "a folder" : "not a regular file") +
                    ". Give the path of a model file.");
  }
  if (status.st_size == 0) {
    throw Error(ErrorCode::kDamagedFile,
                "The model file \"" + path.string() + "\" is empty. Copy or download it again.");
  }
  const auto size = static_cast<size_t>(status.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) refuse_for_errno(path, "mmap", errno);
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, static_cast<const uint8_t*>(data), size));
}

MappedFile::MappedFile(std::filesystem::path path, const uint8_t* data, size_t size)
    : path_(std::move(path)), data_(data), size_(size) {}

MappedFile::~MappedFile() { ::munmap(const_cast<uint8_t*>(data_), size_); }

void MappedFile::release(const void* begin, size_t size) const noexcept {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto start = reinterpret_cast<uintptr_t>(begin) / page * page;
  const auto end = reinterpret_cast<uintptr_t>(begin) + size;
  const auto base = reinterpret_cast<uintptr_t>(data_);
  if (size == 0 || start < base || end > base + size_) return;
  ::madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
}

}  // namespace latentsync::model
