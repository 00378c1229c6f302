#include "tests/gst/cuda_stub/memory.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace latentsync::cuda_stub {
namespace {

constexpr size_t kSize = size_t{64} << 30;  // of addresses; memory is taken when it is touched
constexpr size_t kPage = 4096;
constexpr int kPattern = 0xa5;

size_t whole_pages(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::abort();
}

uint8_t* map(int file, int protection) {
  void* at = mmap(nullptr, kSize, protection, MAP_SHARED | MAP_NORESERVE, file, 0);
  if (at == MAP_FAILED) give_up("mmap");
  return static_cast<uint8_t*>(at);
}

}  // namespace

Arena::Arena() {
  file_ = memfd_create("cuda-stub", MFD_CLOEXEC);
  if (file_ < 0 || ftruncate(file_, kSize) != 0) give_up("memfd_create");
  closed_ = map(file_, PROT_NONE);
  open_ = map(file_, PROT_READ | PROT_WRITE);
}

Arena::~Arena() {
  munmap(closed_, kSize);
  munmap(open_, kSize);
  close(file_);
}

cuda::DevicePtr Arena::allocate(size_t bytes) {
  const size_t size = whole_pages(bytes);
  // A page between two allocations belongs to neither.
  if (used_ + size + kPage > kSize) return 0;
  const cuda::DevicePtr result = begin() + used_;
  std::memset(open_ + used_, kPattern, size);
  used_ += size + kPage;
  return result;
}

void Arena::release(cuda::DevicePtr begin, size_t bytes) {
  fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
            static_cast<off_t>(begin - this->begin()), static_cast<off_t>(whole_pages(bytes)));
}

}  // namespace latentsync::cuda_stub
