#include "core/audio/whole_audio.h"

#include "core/error.h"

#include <algorithm>
#include <limits>

#include <ATen/ops/cat.h>

namespace latentsync::audio {
namespace {

// Spectrograms are computed in pieces of this many columns at fixed places, so that the sizes of
// the appended buffers cannot change their rounding.
constexpr int64_t kColumnsPerChunk = 1000;
constexpr int64_t kReach = kFourierSize / 2;
constexpr size_t kRecentBlocks = 3;

}  // namespace

WholeAudio::WholeAudio(std::shared_ptr<WhisperEncoder> encoder, WholeMode mode, BlockFill fill)
    : encoder_(std::move(encoder)),
      mode_(mode),
      fill_(fill),
      grid_(mode == WholeMode::kReference ? BlockGrid::cuts(encoder_->config().n_audio_ctx)
                                          : BlockGrid::overlapping(encoder_->config().n_audio_ctx)),
      log_mel_(c10::kCPU, encoder_->config().n_mels) {}

void WholeAudio::append(std::span<const float> samples) {
  if (finished_) throw Error(ErrorCode::kInvalidArgument, "audio was appended after its end");
  while (!samples.empty()) {
    const auto chunk_end = (columns_ + kColumnsPerChunk - 1) * kSamplesPerColumn + kReach;
    const auto have = tail_start_ + static_cast<int64_t>(tail_.size());
    const auto take = std::min<size_t>(samples.size(), static_cast<size_t>(chunk_end - have));
    tail_.insert(tail_.end(), samples.begin(), samples.begin() + static_cast<ptrdiff_t>(take));
    samples = samples.subspan(take);
    if (have + static_cast<int64_t>(take) == chunk_end) {
      compute_columns(columns_ + kColumnsPerChunk);
    }
  }
}

void WholeAudio::finish() {
  if (finished_) return;
  finished_ = true;
  compute_columns((tail_start_ + static_cast<int64_t>(tail_.size())) / kSamplesPerColumn);
  tail_ = std::vector<float>();  // gives its memory back, as {} would not
}

void WholeAudio::compute_columns(int64_t until) {
  if (until <= columns_) return;
  const auto end = finished_ ? tail_start_ + static_cast<int64_t>(tail_.size())
                             : std::numeric_limits<int64_t>::max() / 4;
  chunks_.push_back(log_mel_.log_power({tail_, tail_start_, end}, columns_, until - columns_));
  maximum_ = std::max(maximum_, chunks_.back().max().item<double>());
  columns_ = until;
  // One more sample than a window reaches: the mirror at the end looks back that far.
  const auto keep = std::max<int64_t>(tail_start_, columns_ * kSamplesPerColumn - kReach - 1);
  tail_.erase(tail_.begin(), tail_.begin() + (keep - tail_start_));
  tail_start_ = keep;
}

int64_t WholeAudio::rows() const {
  require_finished();
  return columns_ / 2;
}

at::Tensor WholeAudio::features(std::span<const int64_t> frame_times_ns) {
  const auto total = rows();
  const bool reference = mode_ == WholeMode::kReference;
  if (reference && total == 0) {
    throw Error(ErrorCode::kInvalidArgument, "audio of less than 20 ms has no features");
  }
  if (reference) {
    return slice_frames(grid_, frame_times_ns, total, /*repeat_last=*/true,
                        [this](int64_t block) { return block_states(block, BlockFill::kZeros); });
  }
  return slice_filled_frames(
      grid_, frame_times_ns, total, total, fill_,
      [this](int64_t block, BlockFill fill) { return block_states(block, fill); });
}

at::Tensor WholeAudio::block_mel(int64_t block) const {
  const auto first = std::min(block * grid_.hop * 2, columns_);
  const auto last = std::min(first + grid_.rows * 2, columns_);
  std::vector<at::Tensor> pieces;
  for (auto column = first; column < last;) {
    const auto chunk = column / kColumnsPerChunk;
    const auto stop = std::min(last, (chunk + 1) * kColumnsPerChunk);
    pieces.push_back(chunks_[static_cast<size_t>(chunk)].slice(1, column - chunk * kColumnsPerChunk,
                                                               stop - chunk * kColumnsPerChunk));
    column = stop;
  }
  if (pieces.empty()) return log_mel_.log_power({}, 0, 0);
  return normalise_log_mel(at::cat(pieces, 1), maximum_);
}

at::Tensor WholeAudio::block_states(int64_t block, BlockFill fill) {
  const std::pair key(block, fill);
  const auto known =
      std::ranges::find_if(recent_, [&](const auto& entry) { return entry.first == key; });
  if (known != recent_.end()) {
    recent_.splice(recent_.begin(), recent_, known);
  } else {
    recent_.emplace_front(key,
                          encode_block(*encoder_, block_mel(block), padding_of(fill, maximum_)));
    if (recent_.size() > kRecentBlocks) recent_.pop_back();
  }
  return recent_.front().second;
}

int64_t WholeAudio::stored_bytes() const {
  auto bytes = static_cast<int64_t>(tail_.capacity() * sizeof(float));
  for (const auto& chunk : chunks_) bytes += static_cast<int64_t>(chunk.nbytes());
  for (const auto& [key, states] : recent_) bytes += static_cast<int64_t>(states.nbytes());
  return bytes;
}

void WholeAudio::require_finished() const {
  if (!finished_) {
    throw Error(ErrorCode::kInvalidArgument,
                "features of whole audio were requested before its end");
  }
}

}  // namespace latentsync::audio
