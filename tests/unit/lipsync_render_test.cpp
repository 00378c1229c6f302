#include "core/lipsync/failure.h"
#include "tests/support/failing_allocations.h"
#include "tests/support/golden.h"
#include "tests/support/safetensors_writer.h"
#include "tests/unit/lipsync_engine.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace latentsync::test {
namespace {

// Values that a network cannot hold are an error, not a black mouth; no frame is written to.
TEST_F(LipsyncEngine, RefusesPicturesThatAreNoNumbers) {
  const GoldenModelFolder other({{"resolution", 128}, {"inference_steps", 2}});
  auto weights = golden_weights("unet", "unet_tiny");
  weights.at("conv_out.weight").mul_(1e37);
  write_safetensors(other.path() + "/latentsync_unet.safetensors", weights);
  auto wanted = settings();
  wanted.folder = other.path();
  const auto model = engine().load(wanted);
  ASSERT_TRUE(model) << model.failure().message;
  const auto session = open(**model);
  auto frames = make_frames({true, true});
  const auto result = render(*session, frames);
  ASSERT_FALSE(result);
  EXPECT_EQ(static_cast<int>(result.failure().code), static_cast<int>(ErrorCode::kForeignModel));
  EXPECT_NE(result.failure().message.find("float32"), std::string::npos)
      << result.failure().message;
  EXPECT_TRUE(frames.written.empty());
}

// The same seed gives the same bytes, again and in another session; another seed does not. Odd
// windows and those of one frame are rendered too.
TEST_F(LipsyncEngine, SameSeedSameBytes) {
  const auto model = load();
  for (const size_t count : {1, 5}) {
    const auto before = make_frames(std::vector<bool>(count, true));
    std::vector<TestFrames> results;
    for (const int64_t seed : {1, 1, 2}) {
      results.push_back(make_frames(std::vector<bool>(count, true)));
      const auto result = render(*open(*model), results.back(), {.seed = seed});
      ASSERT_TRUE(result) << result.failure().message << result.failure().detail;
      ASSERT_EQ(result->frames.size(), count);
      EXPECT_EQ(result->frames[0].outcome, FrameOutcome::kEdited);
      EXPECT_GT(result->seconds.denoise, 0);
    }
    EXPECT_FALSE(results[0].equals(before));
    EXPECT_TRUE(results[0].equals(results[1])) << count;
    EXPECT_FALSE(results[0].equals(results[2])) << count;
  }
}

// Frames without a face are never asked for to be written, and stay as they were.
TEST_F(LipsyncEngine, LeavesFramesWithoutAFace) {
  const auto model = load();
  const std::vector<bool> faces = {false, true, true, true, true, true, true, false};
  auto frames = make_frames(faces);
  const auto before = make_frames(faces);
  const auto result = render(*open(*model), frames);
  ASSERT_TRUE(result) << result.failure().message << result.failure().detail;
  for (size_t i = 0; i < faces.size(); ++i) {
    const bool edited = result->frames[i].outcome == FrameOutcome::kEdited;
    EXPECT_EQ(edited, frames.written.contains(i)) << i;
    if (!faces[i]) {
      EXPECT_EQ(result->frames[i].outcome, FrameOutcome::kNoFace) << i;
      EXPECT_TRUE(frames.pictures[i].bytes.equal(before.pictures[i].bytes)) << i;
    }
  }
  EXPECT_FALSE(frames.written.empty());

  auto black = make_frames({false, false});
  const auto none = render(*open(*model), black);
  ASSERT_TRUE(none);
  EXPECT_TRUE(black.written.empty());
  EXPECT_EQ(none->seconds.denoise, 0);
}

// Mouths are measured where that is asked for and a mouth was edited, and no pixel changes by that.
TEST_F(LipsyncEngine, MeasuresMouths) {
  const auto model = load();
  const std::vector<bool> faces = {false, true, true, true, true, true, true, true};
  std::vector<TestFrames> results;
  for (const bool measured : {false, true}) {
    results.push_back(make_frames(faces));
    const auto result =
        render(*open(*model), results.back(), {.inference_steps = 2, .measure_mouths = measured});
    ASSERT_TRUE(result) << result.failure().message << result.failure().detail;
    for (size_t i = 0; i < faces.size(); ++i) {
      const auto& opening = result->frames[i].mouth_opening;
      EXPECT_EQ(opening.has_value(), measured && faces[i]) << i;
      if (opening) {
        EXPECT_GE(*opening, 0) << i;
        EXPECT_LT(*opening, 1.5) << i;
      }
    }
  }
  EXPECT_TRUE(results[0].equals(results[1]));
}

// Interlaced frames are two pictures each: fields of unlike colour are rendered otherwise than as
// one picture, and the second field with the audio of its own time, so that their order counts.
TEST_F(LipsyncEngine, RendersEachFieldOfInterlacedFrames) {
  const auto model = load();
  constexpr int kUnlike = 24;
  constexpr int kChroma = 1;
  const auto before = make_frames(std::vector<bool>(4, true));
  for (const auto& picture : before.pictures) {
    for (int y = 0; y < rows_of(picture.view, kChroma); ++y) {
      for (int x = 0; x < columns_of(picture.view, kChroma); ++x) {
        const int code = sample(picture.view, kChroma, x, y) + (y % 2 == 0 ? kUnlike : -kUnlike);
        set_sample(picture.view, kChroma, x, y, std::clamp(code, 0, 255));
      }
    }
  }
  std::vector<TestFrames> results;
  for (const auto scan : {kernels::Scan::kProgressive, kernels::Scan::kTopFieldFirst,
                          kernels::Scan::kBottomFieldFirst}) {
    std::vector<Picture> pictures;
    for (const auto& picture : before.pictures) {
      pictures.push_back(picture.to(at::kCPU));
      pictures.back().view.scan = scan;
    }
    results.emplace_back(std::move(pictures));
    const auto result = render(*open(*model), results.back());
    ASSERT_TRUE(result) << result.failure().message << result.failure().detail;
    for (const auto& frame : result->frames) EXPECT_EQ(frame.outcome, FrameOutcome::kEdited);
    EXPECT_FALSE(results.back().equals(before));
  }
  EXPECT_FALSE(results[0].equals(results[1])) << "the fields are rendered as one picture";
  EXPECT_FALSE(results[1].equals(results[2])) << "the fields' order makes no difference";
}

// Stopped anywhere, a window has written nothing, and its session goes on as if it had not been.
TEST_F(LipsyncEngine, CancellationLeavesNoTrace) {
  const auto model = load();
  const std::vector<bool> faces(4, true);
  const auto session = open(*model);
  const auto untouched = open(*model);
  auto lead = make_frames(faces), other_lead = make_frames(faces);
  ASSERT_TRUE(render(*session, lead));
  ASSERT_TRUE(render(*untouched, other_lead));
  for (const double when : {-1.0, 0.1, 0.5, 0.9}) {
    std::stop_source stop;
    if (when < 0) stop.request_stop();
    auto frames = make_frames(faces);
    const auto result =
        render(*session, frames, {}, stop.get_token(), [&](const RenderProgress& progress) {
          if (progress.part >= when) stop.request_stop();
        });
    ASSERT_FALSE(result) << when;
    EXPECT_EQ(result.failure().code, ErrorCode::kCancelled) << when;
    EXPECT_TRUE(frames.written.empty()) << when;
  }
  auto after = make_frames(faces), expected = make_frames(faces);
  ASSERT_TRUE(render(*session, after));
  ASSERT_TRUE(render(*untouched, expected));
  EXPECT_TRUE(after.equals(expected));
}

// Frames in whose window allocation FAILS, counted from the first writable() on, fails.
class FramesShortOfMemory : public TestFrames {
 public:
  FramesShortOfMemory(TestFrames frames, int64_t fails)
      : TestFrames(std::move(frames)), fails_(fails) {}
  Result<kernels::ImageView> writable(size_t frame) override {
    if (!fault) fault.emplace(fails_);
    return pictures[frame].view;
  }

  std::optional<FailingAllocation> fault;

 private:
  int64_t fails_;
};

// Memory that runs out once frames are written to cannot leave half of a window edited: what needs
// memory was done before.
TEST_F(LipsyncEngine, NothingFailsOnceFramesAreWrittenTo) {
  const auto model = load();
  const std::vector<bool> faces(4, true);
  auto expected = make_frames(faces);
  ASSERT_TRUE(render(*open(*model), expected));
  for (const int64_t fails : {0, 1, 2, 5}) {
    FramesShortOfMemory frames(make_frames(faces), fails);
    const auto result = render(*open(*model), frames);
    frames.fault.reset();
    ASSERT_TRUE(result) << "allocation " << fails << ": " << result.failure().message;
    EXPECT_TRUE(frames.equals(expected)) << "allocation " << fails;
  }
}

// A window's progress goes through its stages in order, never back, and counts their steps: the
// denoising steps from 1 to the last, the batches of the autoencoder.
TEST_F(LipsyncEngine, ProgressTellsStageAndStep) {
  const auto model = load();
  auto frames = make_frames(std::vector<bool>(3, true));
  std::vector<std::string> stages;
  std::map<std::string, std::vector<int64_t>> steps;
  const std::map<std::string, int64_t> steps_of = {
      {"face", 0}, {"encode", 4}, {"denoise", 4}, {"decode", 2}, {"paste", 0}};
  double last = 0;
  const auto result =
      render(*open(*model), frames, {.vae_batch = 2}, {}, [&](const RenderProgress& progress) {
        EXPECT_GE(progress.part, last);
        EXPECT_LE(progress.part, 1);
        last = progress.part;
        if (stages.empty() || stages.back() != progress.stage) {
          stages.emplace_back(progress.stage);
        }
        steps[progress.stage].push_back(progress.step);
        EXPECT_EQ(progress.steps, steps_of.at(progress.stage));
      });
  ASSERT_TRUE(result) << result.failure().message;
  EXPECT_EQ(stages, (std::vector<std::string>{"face", "encode", "denoise", "decode", "paste"}));
  EXPECT_EQ(steps["encode"], (std::vector<int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(steps["denoise"], (std::vector<int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(steps["decode"], (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(last, 1);
}

// While rendering, the attention that takes the most is named where it is in use.
TEST_F(LipsyncEngine, MemoryThatRunsOutNamesTheAttention) {
  const Failure memory{ErrorCode::kOutOfMemory, "x", {}};
  EXPECT_NE(lipsync::rendering_failure(memory, {.attention = Attention::kStandard})
                .message.find("attention-mode=standard"),
            std::string::npos);
  EXPECT_EQ(lipsync::rendering_failure(memory, {}).message.find("attention"), std::string::npos);
}

// Two sessions on two threads share the model, and neither sees the other.
TEST_F(LipsyncEngine, TwoSessionsOnTwoThreads) {
  const auto model = load();
  const std::vector<bool> faces(3, true);
  auto expected = make_frames(faces);
  ASSERT_TRUE(render(*open(*model), expected));
  std::atomic<int> equal = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        const auto session = open(*model);
        for (int window = 0; window < 2; ++window) {
          auto frames = make_frames(faces);
          const auto result = session->render(
              {.frames = &frames, .discontinuity = true, .audio = audio_}, RenderSettings{});
          equal += result && frames.equals(expected) ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(equal, 4);
}

// Windows that no model can do, and audio in the wrong place, are failures.
TEST_F(LipsyncEngine, WindowErrors) {
  const auto model = load();
  const auto session = open(*model);
  auto none = make_frames({});
  EXPECT_FALSE(render(*session, none));
  auto many = make_frames(std::vector<bool>(25, false));
  const auto result = render(*session, many);
  ASSERT_FALSE(result);
  EXPECT_NE(result.failure().message.find("window-frames"), std::string::npos);
  EXPECT_FALSE(session->render({}, {}, {}, {}));
  ASSERT_TRUE(session->append_audio(audio_));
  EXPECT_EQ(session->append_audio(audio_)->code, ErrorCode::kInvalidArgument);
  const auto whole = std::move(*model->open(AudioContext::kWhole, 0));
  auto frames = make_frames({true});
  EXPECT_FALSE(render(*whole, frames)) << "before finish_audio()";
  EXPECT_FALSE(whole->append_audio(audio_));
  EXPECT_FALSE(whole->finish_audio());
  EXPECT_TRUE(render(*whole, frames));
}

}  // namespace
}  // namespace latentsync::test
