#pragma once

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace latentsync::transcode {

/// What the user should know about a run that goes on: each sentence once, from any thread.
class Warnings {
 public:
  void add(const std::string& sentence) {
    const std::lock_guard lock(mutex_);
    if (std::find(all_.begin(), all_.end(), sentence) == all_.end()) {
      all_.push_back(sentence);
    }
  }

  /// Those that nobody took yet.
  std::vector<std::string> take() {
    const std::lock_guard lock(mutex_);
    const size_t begin = std::exchange(taken_, all_.size());
    return {all_.begin() + std::ptrdiff_t(begin), all_.end()};
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> all_;  ///< under mutex_
  size_t taken_ = 0;              ///< under mutex_
};

}  // namespace latentsync::transcode
