#pragma once

#include "core/engine.h"
#include "tests/support/model_folders.h"
#include "tests/support/pictures.h"

#include <cstdint>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

extern "C" latentsync::Engine* latentsync_engine(int version);

/// The engine with a tiny model of golden weights, and windows for it.
namespace latentsync::test {

/// Frames of one size in memory of their own, which record who asked for them.
class TestFrames : public WindowFrames {
 public:
  static constexpr int64_t kFrameNs = 40'000'000;

  explicit TestFrames(std::vector<Picture> pictures) : pictures(std::move(pictures)) {}
  size_t count() const override { return pictures.size(); }
  int64_t time_ns(size_t frame) const override { return static_cast<int64_t>(frame) * kFrameNs; }
  Result<kernels::ImageView> readable(size_t frame) override { return pictures[frame].view; }
  Result<kernels::ImageView> writable(size_t frame) override {
    written.insert(frame);
    return pictures[frame].view;
  }

  bool equals(const TestFrames& other) const;

  std::vector<Picture> pictures;
  std::set<size_t> written;
};

/// The golden face, moved a little from frame to frame, in NV12; black where there is none.
TestFrames make_frames(const std::vector<bool>& has_face);

class LipsyncEngine : public testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite() { folder_.reset(); }

  static Engine& engine() { return *latentsync_engine(kEngineVersion); }
  static ModelSettings settings();
  static std::shared_ptr<Model> load();
  static std::unique_ptr<Session> open(Model& model);
  Result<WindowResult> render(Session& session, TestFrames& frames, RenderSettings settings = {},
                              std::stop_token stop = {},
                              const RenderProgressCallback& progress = {});
  static void expect_failure(const ModelSettings& settings, ErrorCode code,
                             const std::string& mentions);

  LipsyncEngine();

  static inline std::unique_ptr<GoldenModelFolder> folder_;
  std::vector<float> audio_;
};

}  // namespace latentsync::test
