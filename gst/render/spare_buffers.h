#pragma once

#include "gst/handles.h"
#include "gst/input/audio_levels.h"

#include <algorithm>
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
  /// FADED: with so many of its kFadeFrames the edit has faded in in the windows before. Where
  /// frames are taken it begins anew.
  SpareBuffers(std::vector<BufferPtr> buffers, size_t faded)
      : buffers_(std::move(buffers)), count_(buffers_.size()), faded_(faded) {}

  /// Before the first write; false where all were taken: nothing may be written.
  bool commit() {
    std::lock_guard lock(mutex_);
    if (taken_ == buffers_.size()) return writing_;
    writing_ = true;
    begin_ = taken_;
    if (begin_ > 0) faded_ = 0;
    const size_t fading = std::min(kFade - faded_, count_ - begin_);
    for (size_t i = 0; i < fading; ++i) originals_.push_back(std::move(buffers_[begin_ + i]));
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

  // After commit(), of the worker's thread.

  /// The first frame that was not taken. From it on the edit fades in over those whose ORIGINALS
  /// are kept.
  size_t begin() const { return begin_; }
  const std::vector<BufferPtr>& originals() const { return originals_; }
  size_t faded() const { return faded_; }

  /// What FADED is for the window that follows.
  size_t faded_after() {
    std::lock_guard lock(mutex_);
    if (!writing_ && taken_ > 0) return 0;
    return std::min(faded_ + count_ - begin_, kFade);
  }

 private:
  static constexpr size_t kFade = kFadeFrames;

  std::mutex mutex_;
  std::vector<BufferPtr> buffers_;
  const size_t count_;
  size_t faded_;
  size_t taken_ = 0;
  size_t begin_ = 0;
  std::vector<BufferPtr> originals_;
  bool writing_ = false;
};

}  // namespace latentsync
