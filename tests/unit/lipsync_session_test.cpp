#include "tests/unit/lipsync_session.h"

#include "core/lipsync/denoise.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

// Calls WORK on a thread of its own in the first denoising step, and waits for its end.
class MeanwhileCallback {
 public:
  explicit MeanwhileCallback(std::function<void()> work) : work_(std::move(work)) {}
  void operator()(const RenderProgress& progress) {
    if (std::string(progress.stage) != "denoise" || done_) return;
    done_ = true;
    thread_ = std::jthread(work_);
  }
  bool done() const { return done_; }

 private:
  std::function<void()> work_;
  bool done_ = false;
  std::jthread thread_;
};

class LipsyncAhead : public LipsyncSessionTest {
 protected:
  // The stages that a window went through.
  std::set<std::string> stages_of(Session& session, TestFrames& frames,
                                  const RenderSettings& settings = {}) {
    std::set<std::string> stages;
    const auto result =
        session.render(window(frames), settings, {},
                       [&](const RenderProgress& progress) { stages.insert(progress.stage); });
    EXPECT_TRUE(result) << result.failure().message << result.failure().detail;
    return stages;
  }

  // Renders windows of a clip from the frame FIRST on, the usual way.
  std::vector<ClipFrames> expected(Model& model, const std::vector<size_t>& first, size_t count) {
    const auto session = open_with(model);
    std::vector<ClipFrames> windows;
    for (const size_t frame : first) {
      windows.push_back(window_of(frame, count));
      EXPECT_TRUE(session->render(window(windows.back()), {}, {}, {}));
    }
    return windows;
  }
};

// A window that was prepared is not prepared again, and has the bytes of one that was not.
TEST_F(LipsyncAhead, TakesAPreparedWindow) {
  const auto model = load();
  const auto wanted = expected(*model, {0, 3}, 3);
  const auto session = open_with(*model);
  for (size_t i = 0; i < wanted.size(); ++i) {
    auto frames = window_of(3 * i, 3);
    ASSERT_FALSE(session->prepare(window(frames), {}));
    EXPECT_TRUE(frames.written.empty());
    EXPECT_FALSE(stages_of(*session, frames).contains("encode"));
    EXPECT_TRUE(frames.equals(wanted[i])) << i;
  }
}

// The next window is prepared while one is denoised, from the state that this one leaves.
TEST_F(LipsyncAhead, PreparesWhileTheWindowBeforeIsRendered) {
  const auto model = load();
  const auto wanted = expected(*model, {0, 3}, 3);
  const auto session = open_with(*model);
  auto first = window_of(0, 3), second = window_of(3, 3);
  {
    MeanwhileCallback meanwhile(
        [&] { EXPECT_FALSE(session->prepare(window(second), RenderSettings{})); });
    ASSERT_TRUE(session->render(window(first), {}, {}, std::ref(meanwhile)));
    ASSERT_TRUE(meanwhile.done());
  }
  EXPECT_FALSE(stages_of(*session, second).contains("encode"));
  EXPECT_TRUE(first.equals(wanted[0]));
  EXPECT_TRUE(second.equals(wanted[1]));
}

// The frames are known by their times and memory: another object of the same frames is the same
// window.
TEST_F(LipsyncAhead, TakesAPreparedWindowFromAnotherObject) {
  const auto model = load();
  const auto wanted = expected(*model, {0}, 2);
  const auto session = open_with(*model);
  auto frames = window_of(0, 2);
  auto same = frames;
  ASSERT_EQ(same.pictures[0].view.planes[0].data, frames.pictures[0].view.planes[0].data);
  ASSERT_FALSE(session->prepare(window(frames), {}));
  EXPECT_FALSE(stages_of(*session, same).contains("encode"));
  EXPECT_TRUE(same.equals(wanted[0]));
}

// A prepare() of no window forgets what was prepared: the same memory may hold other frames.
TEST_F(LipsyncAhead, ForgetsAtTheNextPrepare) {
  const auto model = load();
  const auto session = open_with(*model);
  auto frames = window_of(0, 2);
  ASSERT_FALSE(session->prepare(window(frames), {}));
  EXPECT_TRUE(session->prepare({}, {}));
  EXPECT_TRUE(stages_of(*session, frames).contains("encode"));
}

// Nothing is prepared where the budget has no room for a second window's frames and their
// preparation.
TEST_F(LipsyncAhead, PreparesWithinTheBudget) {
  const auto model = load();
  const PlannedRung planned{.rung = {.name = "whole", .window_frames = 24},
                            .frames = 10,
                            .stages = {{"face", 20}, {"encode", 30}, {"denoise", 60}},
                            .peak = 100};
  for (const int64_t budget : {139, 140}) {
    lipsync::LipsyncSession session(dynamic_cast<lipsync::LoadedModel&>(*model).shared_from_this(),
                                    AudioContext::kSliding, 500'000'000,
                                    {.plan = {.budget = budget, .ladder = {planned}, .chosen = 0}});
    auto frames = window_of(0, 2);
    EXPECT_FALSE(session.prepare(window(frames), {}));
    EXPECT_EQ(stages_of(session, frames).contains("encode"), budget == 139);
  }
}

// What was prepared for a window after one that failed is not used: the state is another.
TEST_F(LipsyncAhead, DropsWhatWasPreparedAfterAWindowThatFailed) {
  const auto model = load();
  const auto wanted = expected(*model, {3}, 3);
  const auto session = open_with(*model);
  auto first = window_of(0, 3), second = window_of(3, 3);
  std::stop_source stop;
  {
    MeanwhileCallback meanwhile([&] {
      EXPECT_FALSE(session->prepare(window(second), RenderSettings{}));
      stop.request_stop();
    });
    const auto cancelled =
        session->render(window(first), {}, stop.get_token(), [&](const RenderProgress& progress) {
          meanwhile(progress);
          if (std::string(progress.stage) == "decode") {
            stop.request_stop();
          }
        });
    ASSERT_FALSE(cancelled);
  }
  EXPECT_TRUE(stages_of(*session, second).contains("encode"));
  EXPECT_TRUE(second.equals(wanted[0]));
}

// Other settings, other audio, other frames and a discontinuity are another window.
TEST_F(LipsyncAhead, DropsWhatWasPreparedOfAnotherWindow) {
  const auto model = load();
  const auto prepared_then = [&](const Window& prepared, const RenderSettings& settings,
                                 TestFrames& rendered) {
    const auto session = open_with(*model);
    EXPECT_FALSE(session->prepare(prepared, settings));
    return stages_of(*session, rendered).contains("encode");
  };
  auto frames = window_of(0, 2), others = window_of(0, 2);
  EXPECT_FALSE(prepared_then(window(frames), {}, frames));
  frames = window_of(0, 2);
  EXPECT_TRUE(prepared_then(window(frames), {.seed = 5}, frames));
  frames = window_of(0, 2);
  EXPECT_TRUE(prepared_then(window(others), {}, frames));
  frames = window_of(0, 2);
  auto cut = window(frames);
  cut.discontinuity = true;
  EXPECT_TRUE(prepared_then(cut, {}, frames));
  frames = window_of(0, 2);
  const std::vector<float> silence(audio_.size());
  auto silent = window(frames);
  silent.audio = silence;
  EXPECT_TRUE(prepared_then(silent, {}, frames));
}

// Preparing can be cancelled, and what fails is not kept.
TEST_F(LipsyncAhead, PreparingFailsWithoutATrace) {
  const auto model = load();
  const auto wanted = expected(*model, {0}, 2);
  const auto session = open_with(*model);
  auto frames = window_of(0, 2);
  std::stop_source stop;
  stop.request_stop();
  const auto failure = session->prepare(window(frames), {}, stop.get_token());
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, ErrorCode::kCancelled);
  EXPECT_TRUE(session->prepare({}, {}));
  EXPECT_TRUE(stages_of(*session, frames).contains("encode"));
  EXPECT_TRUE(frames.equals(wanted[0]));
}

// A rung of shorter windows renders each in equal parts, as if they had come so.
TEST_F(LipsyncAhead, RendersLongWindowsInEqualParts) {
  const auto model = load();
  const auto whole_audio = [&](std::vector<Rung> rungs) {
    auto session = open_with(*model, std::move(rungs), AudioContext::kWhole);
    EXPECT_FALSE(session->append_audio(audio_));
    EXPECT_FALSE(session->finish_audio());
    return session;
  };
  auto whole = window_of(0, 6);
  const auto in_parts = whole_audio({{.name = "short", .window_frames = 4}});
  const auto result = in_parts->render(window(whole), {}, {}, {});
  ASSERT_TRUE(result) << result.failure().message << result.failure().detail;
  EXPECT_EQ(result->rung, "short");
  const auto short_windows = whole_audio({{.name = "whole", .window_frames = 24}});
  for (size_t first = 0; first < 6; first += 3) {
    auto part = window_of(first, 3);
    // As the frames are in the long window.
    for (size_t i = 0; i < 3; ++i) part.pictures[i] = window_of(0, 6).pictures[first + i];
    ASSERT_TRUE(short_windows->render(window(part), {}, {}, {}));
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(whole.pictures[first + i].bytes.equal(part.pictures[i].bytes)) << first + i;
    }
  }
}

// The autoencoder takes no more frames at once than the rung says.
TEST_F(LipsyncAhead, TakesTheRungsBatch) {
  const auto model = load();
  const auto session = open_with(*model, {{.name = "vae-batch-2", .vae_batch = 2}});
  auto frames = window_of(0, 3);
  std::set<int64_t> batches;
  const auto result = session->render(window(frames), {}, {}, [&](const RenderProgress& progress) {
    if (std::string(progress.stage) == "decode") batches.insert(progress.steps);
  });
  ASSERT_TRUE(result);
  EXPECT_EQ(batches, std::set<int64_t>{2});
}

lipsync::FaceSequence sequence_of(const std::vector<size_t>& frames) {
  lipsync::FaceSequence sequence;
  for (const size_t frame : frames) sequence.faces.push_back({.frame = frame});
  return sequence;
}

// Parts of a window are equal within a frame, cover it, and none is longer than it may be; a face
// that is missing in one has no part there.
TEST(WindowParts, AreEqual) {
  std::vector<size_t> all;
  for (size_t frames = 1; frames <= 24; ++frames) {
    all.push_back(frames - 1);
    for (size_t most = 1; most <= 24; ++most) {
      const auto parts = lipsync::parts_of(sequence_of(all), frames, most);
      ASSERT_EQ(parts.size(), (frames + most - 1) / most);
      size_t at = 0, shortest = frames, longest = 0;
      for (const auto& part : parts) {
        EXPECT_EQ(part.begin, at);
        at = part.end;
        shortest = std::min(shortest, part.end - part.begin);
        longest = std::max(longest, part.end - part.begin);
      }
      EXPECT_EQ(at, frames);
      EXPECT_LE(longest, most);
      EXPECT_LE(longest - shortest, 1u);
    }
  }
  using Ranges = std::vector<lipsync::FaceRange>;
  EXPECT_EQ(lipsync::parts_of(sequence_of({2, 3, 4, 5}), 16, 8), (Ranges{{0, 4}}));
  EXPECT_EQ(lipsync::parts_of(sequence_of({6, 7, 8, 9}), 16, 8), (Ranges{{0, 2}, {2, 4}}));
  EXPECT_EQ(lipsync::parts_of(sequence_of({0, 15}), 16, 6), (Ranges{{0, 1}, {1, 2}}));
}

}  // namespace
}  // namespace latentsync::test
