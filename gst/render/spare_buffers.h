#pragma once

#include "gst/handles.h"

#include <mutex>
#include <utility>
#include <vector>

/// Second references to the buffers of a window that is being made, so that a live graph can send
/// them as they came when the window is late, without waiting for the worker. They are given up
/// before the first pixel is written: nobody then has to copy. For two threads.
namespace latentsync {

class SpareBuffers {
 public:
  explicit SpareBuffers(std::vector<BufferPtr> buffers) : buffers_(std::move(buffers)) {}

  /// Before the first write; false where the window was abandoned: nothing may be written.
  bool commit() {
    std::lock_guard lock(mutex_);
    if (abandoned_) return false;
    buffers_.clear();
    return true;
  }

  /// The buffers as they came, in order; empty where writing has begun: the window is as good as
  /// done.
  std::vector<BufferPtr> abandon() {
    std::lock_guard lock(mutex_);
    abandoned_ = !buffers_.empty();
    return std::exchange(buffers_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<BufferPtr> buffers_;
  bool abandoned_ = false;
};

}  // namespace latentsync
