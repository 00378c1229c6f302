#pragma once

#include <algorithm>
#include <ctime>
#include <functional>
#include <vector>

namespace latentsync::bench {

/// Of the calling thread, so that other work on the machine counts less.
inline double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Something to time; absent where there is nothing.
struct Task {
  std::function<void()> run;
  std::vector<double> times;

  void time() {
    if (!run) return;
    const double begin = thread_seconds();
    run();
    times.push_back(thread_seconds() - begin);
  }
  double median() {
    const auto middle = times.begin() + static_cast<long>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    return *middle;
  }
};

}  // namespace latentsync::bench
