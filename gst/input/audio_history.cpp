#include "gst/input/audio_history.h"

#include <algorithm>
#include <cstdlib>

namespace latentsync {

void AudioHistory::seek(int64_t index, bool resync) {
  if (!started_) {
    begin_ = end_ = index;
    started_ = true;
    return;
  }
  if (!resync && std::abs(index - end_) <= kTolerance) return;
  if (index < begin_ || index - end_ > longest_hole()) {
    samples_.clear();
    begin_ = index;
  } else if (index - begin_ < static_cast<int64_t>(samples_.size())) {
    samples_.resize(index - begin_);
  }
  end_ = index;
}

void AudioHistory::fill() {
  if (end_ - begin_ > static_cast<int64_t>(samples_.size())) samples_.resize(end_ - begin_);
}

void AudioHistory::append(int64_t index, std::span<const float> samples, bool resync) {
  if (samples.empty()) return;
  seek(index, resync);
  fill();
  samples_.insert(samples_.end(), samples.begin(), samples.end());
  end_ += static_cast<int64_t>(samples.size());
}

void AudioHistory::append_silence(int64_t index, int64_t count, bool resync) {
  if (count <= 0) return;
  seek(index, resync);
  if (count > longest_hole()) {
    samples_.clear();
    begin_ = end_ + count;
  }
  end_ += count;
}

void AudioHistory::advance(int64_t index) {
  if (!started_) {
    begin_ = end_ = index;
    started_ = true;
  } else if (index > end_) {
    append_silence(end_, index - end_, false);
  }
}

std::vector<float> AudioHistory::slice(int64_t begin, int64_t end) const {
  std::vector<float> result(std::max<int64_t>(end - begin, 0));
  const int64_t kept_end = begin_ + static_cast<int64_t>(samples_.size());
  const int64_t from = std::max(begin, begin_);
  const int64_t to = std::min(end, kept_end);
  if (from < to) {
    std::copy(samples_.begin() + (from - begin_), samples_.begin() + (to - begin_),
              result.begin() + (from - begin));
  }
  return result;
}

void AudioHistory::cut(int64_t index) {
  if (started_ && index < end_) seek(index, true);
}

void AudioHistory::trim(int64_t index) {
  index = std::min(index, end_);
  const int64_t kept = static_cast<int64_t>(samples_.size());
  // Moving the rest to the front costs its length: only when as much again has piled up.
  if (index - begin_ < std::max<int64_t>(kept / 2, 16000)) return;
  samples_.erase(samples_.begin(), samples_.begin() + std::min(index - begin_, kept));
  begin_ = index;
}

}  // namespace latentsync
