#include "core/lipsync/model_cache.h"
#include "core/lipsync/planning.h"
#include "tests/unit/lipsync_session.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

constexpr RenderSettings kQuick{.guidance_scale = 1, .inference_steps = 2, .feature_cache = 0};

class LipsyncPlans : public LipsyncEngine {
 protected:
  static int64_t denoising_bytes(const Session& session) {
    const auto plan = session.memory_plan();
    for (const auto& stage : plan.ladder.front().stages) {
      if (stage.stage == "denoise") return stage.bytes;
    }
    return 0;
  }

  static PlanRequest request(int64_t mib) {
    return {.model = settings(),
            .settings = kQuick,
            .memory = {.vram_budget = mib},
            .window_frames = 1,
            .width = 192,
            .height = 192};
  }
};

// A window that needs another plan than the one in force has its own, with the session's budget,
// and an error that names what would fit where none does; the windows after it are rendered.
TEST_F(LipsyncPlans, AreMadeAnewForWindowsThatNeedAnother) {
  const auto model = load();
  auto larger = kQuick;
  larger.resolution = 256;
  auto largest = kQuick;
  largest.resolution = 1024;
  auto planned = request(1 << 20);
  planned.settings = largest;
  const auto needed = engine().plan(planned)->ladder.back().peak >> 20;
  const auto opened = model->open(AudioContext::kSliding, 500'000'000, request(needed / 2));
  ASSERT_TRUE(opened) << opened.failure().message;
  auto& session = **opened;
  EXPECT_EQ(session.memory_plan().resolution, 128);
  const auto peak = session.memory_plan().ladder.front().peak;

  auto frames = make_frames({true});
  ASSERT_TRUE(render(session, frames, larger));
  EXPECT_EQ(session.memory_plan().resolution, 256);
  EXPECT_GT(session.memory_plan().ladder.front().peak, peak);
  const auto refused = render(session, frames, largest);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.failure().code, ErrorCode::kOutOfMemory);
  EXPECT_NE(refused.failure().message.find("resolution="), std::string::npos)
      << refused.failure().message;
  EXPECT_EQ(session.memory_plan().resolution, 256);
  ASSERT_TRUE(render(session, frames, kQuick));
  EXPECT_EQ(session.memory_plan().resolution, 128);
  EXPECT_EQ(session.memory_plan().ladder.front().peak, peak);

  const auto few = denoising_bytes(session);
  auto steps = kQuick;
  steps.inference_steps = 3;
  ASSERT_TRUE(render(session, frames, steps));
  EXPECT_GT(denoising_bytes(session), few);
  const auto more = denoising_bytes(session);
  ASSERT_TRUE(render(session, frames, kQuick));
  EXPECT_EQ(denoising_bytes(session), more) << "fewer steps need no other plan";
}

// A window that would need another plan is not prepared ahead of its turn.
TEST_F(LipsyncPlans, AreNotMadeAheadOfTime) {
  const auto model = load();
  const auto opened = model->open(AudioContext::kSliding, 500'000'000, request(1 << 20));
  ASSERT_TRUE(opened);
  auto frames = make_frames({true});
  auto larger = kQuick;
  larger.resolution = 256;
  EXPECT_FALSE((*opened)->prepare({.frames = &frames, .audio = audio_}, larger));
  EXPECT_EQ((*opened)->memory_plan().resolution, 128);
  bool encoded = false;
  const auto rendered = (*opened)->render(
      {.frames = &frames, .audio = audio_}, larger, {},
      [&](const RenderProgress& progress) { encoded |= std::string(progress.stage) == "encode"; });
  EXPECT_TRUE(rendered);
  EXPECT_TRUE(encoded) << "it was prepared before";
}

// Weights that are in memory already need no room beside themselves.
TEST_F(LipsyncPlans, CountTheWeightsOfALoadedModelOnce) {
  constexpr int64_t kHuge = int64_t{1} << 50;
  const auto source_key = lipsync::find_source(settings()).key();
  std::string asked;
  const auto loaded = [&](const lipsync::ModelSource& source) {
    asked = source.key();
    return kHuge;
  };
  EXPECT_GT(lipsync::plan_model(request(0), loaded).free, kHuge);
  EXPECT_EQ(asked, source_key);

  lipsync::ModelCache cache;
  EXPECT_EQ(cache.weight_bytes("a"), 0);
  auto model = cache.get("a", {}, [] {
    lipsync::Networks networks;
    networks.info.weight_bytes = 77;
    return std::make_shared<lipsync::LoadedModel>(std::move(networks), nullptr);
  });
  EXPECT_EQ(cache.weight_bytes("a"), 77);
  EXPECT_EQ(cache.weight_bytes("b"), 0);
  model.reset();
  EXPECT_EQ(cache.weight_bytes("a"), 0);
}

}  // namespace
}  // namespace latentsync::test
