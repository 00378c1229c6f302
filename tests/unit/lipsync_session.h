#pragma once

#include "core/lipsync/model.h"
#include "core/lipsync/session.h"
#include "tests/unit/lipsync_engine.h"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

/// Sessions with plans of the test's own.
namespace latentsync::test {

/// Frames of a clip from the one with number FIRST on.
class ClipFrames : public TestFrames {
 public:
  ClipFrames(TestFrames frames, size_t first) : TestFrames(std::move(frames)), first_(first) {}
  int64_t time_ns(size_t frame) const override { return TestFrames::time_ns(first_ + frame); }

 private:
  size_t first_;
};

inline ClipFrames window_of(size_t first, size_t count) {
  return {make_frames(std::vector<bool>(count, true)), first};
}

class LipsyncSessionTest : public LipsyncEngine {
 protected:
  static std::unique_ptr<lipsync::LipsyncSession> open_with(
      Model& model, std::vector<Rung> rungs = {{.name = "whole", .window_frames = 24}},
      AudioContext context = AudioContext::kSliding, int64_t account_limit = 0,
      const CacheSettings& cache = {}) {
    MemoryPlan plan{.chosen = 0};
    for (auto& rung : rungs) plan.ladder.push_back({.rung = std::move(rung)});
    auto& loaded = dynamic_cast<lipsync::LoadedModel&>(model);
    return std::make_unique<lipsync::LipsyncSession>(
        loaded.shared_from_this(), context, 500'000'000,
        lipsync::SessionMemory{std::move(plan), account_limit}, cache);
  }

  Window window(TestFrames& frames) const { return {.frames = &frames, .audio = audio_}; }
};

}  // namespace latentsync::test
