#include "examples/transcode/threads.h"

#include "examples/transcode/problem.h"

#include <latch>
#include <system_error>
#include <thread>
#include <vector>

namespace latentsync::transcode {
namespace {

/// A clip of the simplest kind has that many at a time.
constexpr int kThreads = 16;

}  // namespace

bool can_start_threads(int count) {
  std::latch end(1);
  std::vector<std::jthread> threads;
  threads.reserve(size_t(count));
  bool all = true;
  try {
    for (int index = 0; index < count; ++index) {
      threads.emplace_back([&end] { end.wait(); });
    }
  } catch (const std::system_error&) {
    all = false;
  }
  end.count_down();
  return all;
}

void check_threads() {
  if (!can_start_threads(kThreads)) {
    throw Problem(kNoThreads);
  }
}

}  // namespace latentsync::transcode
