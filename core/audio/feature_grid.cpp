#include "core/audio/feature_grid.h"

#include "core/device/transfer.h"
#include "core/error.h"

#include <algorithm>
#include <map>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

namespace latentsync::audio {
namespace {

constexpr int64_t kTimeToleranceNs = 1000;

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// The part of each wanted row that one block gives.
struct BlockPart {
  std::vector<int64_t> row_in_block;
  std::vector<int64_t> target;
  std::vector<float> weight;
};

at::Tensor to_index(const std::vector<int64_t>& values, c10::Device device) {
  return device::to_device(at::tensor(values, at::kLong), device);
}

}  // namespace

int64_t row_at(int64_t time_ns) {
  const auto row = floor_divide(time_ns, kRowDurationNs);
  return time_ns - row * kRowDurationNs >= kRowDurationNs - kTimeToleranceNs ? row + 1 : row;
}

std::array<BlockShare, 2> BlockGrid::shares(int64_t row, std::optional<int64_t> total) const {
  const auto block = std::max<int64_t>(0, floor_divide(row - margin(), hop));
  if (total && *total <= rows && row < rows) return {BlockShare{0, 1}, BlockShare{0, 0}};
  const auto into = row - margin() - block * hop;
  if (block == 0 || into >= fade) return {BlockShare{block, 1}, BlockShare{block, 0}};
  const float weight = static_cast<float>(into + 1) / static_cast<float>(fade + 1);
  return {BlockShare{block - 1, 1 - weight}, BlockShare{block, weight}};
}

at::Tensor slice_frames(const BlockGrid& grid, std::span<const int64_t> frame_times_ns,
                        std::optional<int64_t> total, bool repeat_last, const BlockSource& source) {
  if (frame_times_ns.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "audio features were requested for no frame");
  }
  std::map<int64_t, int64_t> index_of_row;  // ascending, so that equal windows mix in equal order
  std::vector<int64_t> wanted;
  for (const auto time : frame_times_ns) {
    const auto first = first_row_of_frame(time);
    for (int64_t row = first; row < first + kRowsPerFrame; ++row) {
      wanted.push_back(std::max<int64_t>(0, repeat_last ? std::min(row, *total - 1) : row));
      index_of_row.emplace(wanted.back(), 0);
    }
  }
  std::map<int64_t, BlockPart> parts;
  int64_t next = 0;
  for (auto& [row, index] : index_of_row) {
    index = next++;
    for (const auto& share : grid.shares(row, total)) {
      if (share.weight == 0) continue;
      auto& part = parts[share.block];
      part.row_in_block.push_back(row - share.block * grid.hop);
      part.target.push_back(index);
      part.weight.push_back(share.weight);
    }
  }
  at::Tensor mixed;
  at::ScalarType dtype = at::kFloat;
  for (const auto& [block, part] : parts) {
    const auto states = source(block);
    const auto device = states.device();
    if (!mixed.defined()) {
      dtype = states.scalar_type();
      mixed = at::zeros({next, states.size(1), states.size(2)}, states.options().dtype(at::kFloat));
    }
    const auto weight =
        device::to_device(at::tensor(part.weight, at::kFloat), device).view({-1, 1, 1});
    mixed.index_add_(
        0, to_index(part.target, device),
        states.index_select(0, to_index(part.row_in_block, device)).to(at::kFloat) * weight);
  }
  for (auto& row : wanted) row = index_of_row.at(row);
  const auto frames = static_cast<int64_t>(frame_times_ns.size());
  return mixed.index_select(0, to_index(wanted, mixed.device()))
      .reshape({frames, kRowsPerFrame * mixed.size(1), mixed.size(2)})
      .to(dtype);
}

at::Tensor slice_filled_frames(const BlockGrid& grid, std::span<const int64_t> frame_times_ns,
                               std::optional<int64_t> total, int64_t end, BlockFill fill,
                               const FilledBlockSource& source) {
  const auto slices = [&](BlockFill with) {
    return slice_frames(grid, frame_times_ns, total, /*repeat_last=*/false,
                        [&](int64_t block) { return source(block, with); });
  };
  std::vector<int64_t> ended;  // of each row of each frame: 1 behind the end
  for (const auto time : frame_times_ns) {
    const auto first = first_row_of_frame(time);
    for (auto row = first; row < first + kRowsPerFrame; ++row) {
      ended.push_back(std::max<int64_t>(0, row) >= end ? 1 : 0);
    }
  }
  const auto count = std::ranges::count(ended, 1);
  if (count == 0) return slices(fill);
  if (fill == BlockFill::kSilence || count == std::ssize(ended)) return slices(BlockFill::kSilence);
  const auto within = slices(fill).unflatten(1, {kRowsPerFrame, -1});
  const auto behind = slices(BlockFill::kSilence).unflatten(1, {kRowsPerFrame, -1});
  const auto is_behind = to_index(ended, within.device()).to(at::kBool);
  return at::where(is_behind.view({-1, kRowsPerFrame, 1, 1}), behind, within).flatten(1, 2);
}

}  // namespace latentsync::audio
