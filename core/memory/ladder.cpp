#include "core/memory/ladder.h"

#include <algorithm>
#include <string>
#include <utility>

namespace latentsync::memory {
namespace {

constexpr int64_t kVaeBatches[] = {8, 4, 2, 1};
constexpr int64_t kFeedForwardChunks = 4;
constexpr int64_t kWindows[] = {12, 8};

int64_t first_vae_batch(const LadderRequest& request) {
  const int64_t most =
      std::max<int64_t>(1, std::min(request.window_frames, request.most_vae_batch));
  if (request.settings.vae_batch > 0) return std::min(request.settings.vae_batch, most);
  const int64_t resolution = request.settings.resolution;
  const auto fitting = [&](int64_t frames_of_512) {
    return std::clamp<int64_t>(frames_of_512 * 512 * 512 / (resolution * resolution), 1, most);
  };
  switch (request.memory.memory_mode) {
    case MemoryMode::kConservative:
      return fitting(1);
    case MemoryMode::kBalanced:
      return fitting(4);
    case MemoryMode::kAggressive:
      break;
  }
  return most;
}

// Half the crop's edge, in whole 64; 0 where that is no smaller.
int64_t vae_tile(int64_t resolution) {
  const int64_t tile = std::max<int64_t>(128, (resolution / 2 + 63) / 64 * 64);
  return tile < resolution ? tile : 0;
}

// Large products are worth more on a GPU.
int64_t score_bytes(bool cuda) { return int64_t{cuda ? 128 : 32} << 20; }

class Ladder {
 public:
  explicit Ladder(const Rung& first) : rungs_{first} {}

  template <typename Measure>
  void add(std::string name, const Measure& measure) {
    Rung rung = rungs_.back();
    rung.name = std::move(name);
    measure(rung);
    rungs_.push_back(std::move(rung));
  }

  const Rung& last() const { return rungs_.back(); }
  std::vector<Rung> take() { return std::move(rungs_); }

 private:
  std::vector<Rung> rungs_;
};

}  // namespace

std::vector<Rung> make_ladder(const LadderRequest& request) {
  const auto level = request.memory.optimization_level;
  const bool all = level != OptimizationLevel::kConservative;
  const bool chunked = level == OptimizationLevel::kAggressive;
  Ladder ladder({.name = "whole",
                 .vae_batch = first_vae_batch(request),
                 .feed_forward_chunks = chunked ? kFeedForwardChunks : 1,
                 .window_frames = request.window_frames});
  for (const int64_t batch : kVaeBatches) {
    if (request.settings.vae_batch > 0 || batch >= ladder.last().vae_batch) continue;
    ladder.add("vae-batch-" + std::to_string(batch), [&](Rung& rung) { rung.vae_batch = batch; });
  }
  if (const int64_t tile = vae_tile(request.settings.resolution); request.full_vae && tile > 0) {
    ladder.add("vae-tiles", [&](Rung& rung) { rung.vae_tile = tile; });
  }
  if (!chunked) {
    ladder.add("feed-forward-chunks",
               [&](Rung& rung) { rung.feed_forward_chunks = kFeedForwardChunks; });
  }
  if (request.settings.attention == Attention::kStandard) {
    ladder.add("attention-slices",
               [&](Rung& rung) { rung.score_bytes = score_bytes(request.cuda); });
  }
  if (all && request.cuda && request.moves_weights) {
    ladder.add("host-networks", [&](Rung& rung) { rung.host_networks = true; });
    ladder.add("streamed-unet", [&](Rung& rung) { rung.streamed_unet = true; });
  }
  if (request.settings.guidance_scale > 1) {
    ladder.add("two-passes", [&](Rung& rung) { rung.two_passes = true; });
  }
  for (const int64_t window : kWindows) {
    if (!all || window >= request.window_frames) continue;
    ladder.add("window-" + std::to_string(window),
               [&](Rung& rung) { rung.window_frames = window; });
  }
  return ladder.take();
}

}  // namespace latentsync::memory
