#include "tests/support/failing_allocations.h"

#include <cerrno>
#include <cstdlib>
#include <dlfcn.h>
#include <new>

namespace latentsync::test {
namespace {

thread_local bool armed = false;
thread_local int64_t number = 0;
thread_local int64_t failing = 0;

bool fails() { return armed && number++ == failing; }

}  // namespace

FailingAllocation::FailingAllocation(int64_t fails) {
  number = 0;
  failing = fails;
  armed = true;
}

FailingAllocation::~FailingAllocation() { armed = false; }

int64_t FailingAllocation::seen() const { return number; }

}  // namespace latentsync::test

extern "C" int posix_memalign(void** out, size_t alignment, size_t size) noexcept {
  using Function = int (*)(void**, size_t, size_t);
  static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "posix_memalign"));
  return latentsync::test::fails() ? ENOMEM : real(out, alignment, size);
}

void* operator new(size_t size) {
  void* const memory = latentsync::test::fails() ? nullptr : std::malloc(size > 0 ? size : 1);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
