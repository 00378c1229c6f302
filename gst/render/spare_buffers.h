#pragma once

#include "gst/handles.h"

#include <mutex>
#include <utility>
#include <vector>

/// Second references to the buffers of a window that is being made, so that a live graph can output
/// a frame as it came when it is due, without waiting for the worker. They are given up before the
/// first pixel is written: nobody then has to copy; a frame that was taken before is copied. For
/// two threads.
namespace latentsync {

class SpareBuffers {
 public:
  explicit SpareBuffers(std::vector<BufferPtr> buffers) : buffers_(std::move(buffers)) {}

  /// Before the first write; false where all were taken: nothing may be written.
  bool commit() {
    std::lock_guard lock(mutex_);
    if (taken_ == buffers_.size()) return writing_;
    writing_ = true;
    buffers_.clear();
    taken_ = 0;
    return true;
  }

  /// The oldest buffer that was not taken, as it came; null where writing has begun: the window is
  /// as good as done.
  BufferPtr take() {
    std::lock_guard lock(mutex_);
    return writing_ ? nullptr : std::move(buffers_[taken_++]);
  }

 private:
  std::mutex mutex_;
  std::vector<BufferPtr> buffers_;
  size_t taken_ = 0;
  bool writing_ = false;
};

}  // namespace latentsync
