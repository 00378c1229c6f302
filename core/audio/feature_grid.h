#pragma once

#include "core/audio/block_fill.h"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include <ATen/core/Tensor.h>

/// Which feature rows a frame gets, and from which blocks of audio they come. Rows are 20 ms apart;
/// row r belongs to the time r * 20 ms of the audio's timeline.
namespace latentsync::audio {

inline constexpr int64_t kSamplesPerRow = 320;
inline constexpr int64_t kRowDurationNs = 20'000'000;
inline constexpr int64_t kRowsBeforeFrame = 4;
inline constexpr int64_t kRowsPerFrame = 10;

/// The row in which a frame at this time lies: floor(time / 20 ms), where a time up to 1 us short
/// of a row's begin counts as that begin. Running times are differences of truncated nanoseconds:
/// 0.04 s may come as 39,999,999.
int64_t row_at(int64_t time_ns);

/// The first of the kRowsPerFrame rows of a frame at this time; unclamped (source:
/// get_sliced_feature in latentsync/whisper/audio2feature.py).
inline int64_t first_row_of_frame(int64_t time_ns) { return row_at(time_ns) - kRowsBeforeFrame; }

/// How much of a row comes from a block. Weights of a row add up to 1.
struct BlockShare {
  int64_t block = 0;
  float weight = 0;
};

/// Blocks of `rows` rows, block k beginning at row k * hop. A row is taken from the block in whose
/// middle it lies; over `fade` rows one block gives way to the next, linearly, because the
/// encoder's states depend on the position in the block and a switch would be a jump.
struct BlockGrid {
  int64_t rows = 1500;
  int64_t hop = 1500;
  int64_t fade = 0;

  /// The reference's hard cuts.
  static BlockGrid cuts(int64_t rows) { return {rows, rows, 0}; }
  /// Half-overlapping blocks, a tenth of a block to fade: with 30 s, 15 s and 3 s, every row has 6
  /// s or more of audio on both sides and 24 s or less behind it.
  static BlockGrid overlapping(int64_t rows) { return {rows, rows / 2, rows / 10}; }

  /// Rows at either end of a block that are not used, but where the clip begins.
  int64_t margin() const { return (rows - hop - fade) / 2; }

  /// The one or two blocks (weight 0: none) that a row comes from, in ascending order.
  /// Audio that is known to have no more than `rows` rows in TOTAL all comes from block 0.
  std::array<BlockShare, 2> shares(int64_t row, std::optional<int64_t> total) const;
};

/// States of block k: [grid.rows, layers, d].
using BlockSource = std::function<at::Tensor(int64_t block)>;

/// States of block k that is filled in one way or the other behind the audio.
using FilledBlockSource = std::function<at::Tensor(int64_t block, BlockFill fill)>;

/// Slices for frames at these times: [F, kRowsPerFrame * layers, d], rows outer, layers inner.
/// Rows below 0 are row 0; with REPEAT_LAST rows beyond the audio's TOTAL (at least 1) are its last
/// row. SOURCE is asked once per block, in ascending order. Mixed in float32, returned in the
/// states' dtype. Errors: kInvalidArgument for no frames.
at::Tensor slice_frames(const BlockGrid& grid, std::span<const int64_t> frame_times_ns,
                        std::optional<int64_t> total, bool repeat_last, const BlockSource& source);

/// The same of audio that ends before row END: rows of the audio come from blocks with FILL behind
/// it, as the model was trained, and rows from END on from blocks with silence, so that the mouth
/// closes. SOURCE is asked for those blocks only that the frames need.
at::Tensor slice_filled_frames(const BlockGrid& grid, std::span<const int64_t> frame_times_ns,
                               std::optional<int64_t> total, int64_t end, BlockFill fill,
                               const FilledBlockSource& source);

}  // namespace latentsync::audio
