#include "tests/unit/lipsync_session.h"

#include <memory>
#include <vector>

#include <gtest/gtest.h>

/// Mouths at rest (Window::at_rest).
namespace latentsync::test {
namespace {

constexpr size_t kFrames = 3;

class LipsyncSilence : public LipsyncSessionTest {
 protected:
  // A window with this audio whose mouths are AT_REST.
  ClipFrames rendered(Session& session, std::span<const float> audio, std::vector<bool> at_rest) {
    auto frames = window_of(0, kFrames);
    const auto result = session.render(
        {.frames = &frames, .audio = audio, .at_rest = std::move(at_rest)}, {}, {}, {});
    EXPECT_TRUE(result) << result.failure().message << result.failure().detail;
    return frames;
  }
};

// A mouth at rest does not depend on the audio, in either context; it is another mouth than that of
// the audio; and one frame at rest does not have the others so.
TEST_F(LipsyncSilence, HasAMouthAtRestWhateverTheAudio) {
  const auto model = load();
  const auto render = [&](std::span<const float> audio, std::vector<bool> at_rest) {
    return rendered(*open_with(*model), audio, std::move(at_rest));
  };
  const std::vector<float> other(audio_.rbegin(), audio_.rend());
  const std::vector<bool> all(kFrames, true);
  const auto rest = render(audio_, all);
  EXPECT_TRUE(rest.equals(render(other, all)));
  const auto heard = render(audio_, {});
  EXPECT_TRUE(heard.equals(render(audio_, std::vector<bool>(kFrames, false))));
  EXPECT_FALSE(heard.equals(rest));
  const auto second = render(audio_, {false, true, false});
  EXPECT_FALSE(second.equals(heard));
  EXPECT_FALSE(second.equals(rest));
  const auto whole =
      open_with(*model, {{.name = "whole", .window_frames = 24}}, AudioContext::kWhole);
  ASSERT_FALSE(whole->append_audio(audio_));
  ASSERT_FALSE(whole->finish_audio());
  EXPECT_TRUE(rest.equals(rendered(*whole, {}, all)));
}

// A window that was prepared with other mouths at rest is not taken.
TEST_F(LipsyncSilence, IsPartOfWhatWasPrepared) {
  const auto model = load();
  const std::vector<bool> all(kFrames, true);
  const auto wanted = rendered(*open_with(*model), audio_, all);
  const auto session = open_with(*model);
  auto frames = window_of(0, kFrames);
  Window window{.frames = &frames, .audio = audio_};
  ASSERT_FALSE(session->prepare(window, {}));
  window.at_rest = all;
  ASSERT_TRUE(session->render(window, {}, {}, {}));
  EXPECT_TRUE(frames.equals(wanted));
}

// At rest is said of each frame, or of none.
TEST_F(LipsyncSilence, IsSaidOfEachFrame) {
  const auto session = open_with(*load());
  auto frames = window_of(0, kFrames);
  const auto result =
      session->render({.frames = &frames, .audio = audio_, .at_rest = {true}}, {}, {}, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.failure().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace latentsync::test
