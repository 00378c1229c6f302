// Preloaded into the command line: no more than $LATENTSYNC_TEST_THREADS threads at a time can be
// started, as under a limit of the user's processes.

#include "tests/transcode/preload/wrapped.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <pthread.h>

namespace {

std::atomic<int> running = 0;

struct Start {
  void* (*routine)(void*);
  void* argument;
};

void* run(void* data) {
  const Start start = *static_cast<Start*>(data);
  delete static_cast<Start*>(data);
  void* result = start.routine(start.argument);
  --running;
  return result;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int pthread_create(
    pthread_t* thread, const pthread_attr_t* attributes, void* (*routine)(void*), void* argument) {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = latentsync::preload::next<Create>("pthread_create");
  const char* most = std::getenv("LATENTSYNC_TEST_THREADS");
  if (most != nullptr && ++running > std::atoi(most)) {
    --running;
    return EAGAIN;
  }
  auto* start = new Start{routine, argument};
  const int failure = create(thread, attributes, run, start);
  if (failure != 0) {
    delete start;
    --running;
  }
  return failure;
}
