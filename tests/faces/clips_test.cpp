#include "core/face/image_sampler.h"
#include "tests/faces/scenes.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"
#include "tests/support/png.h"
#include "tests/support/video.h"

#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

using face::TensorSampler;

class FacesInClips : public testing::TestWithParam<std::string> {};

double thread_milliseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

// In every frame of the sample clips a face is found, and it is one face from the first frame to
// the last, edited in full; the frames are looked at as they come from the decoder.
TEST_P(FacesInClips, EveryFrameHasTheFace) {
  VideoReader reader(clip(GetParam()), kernels::PixelFormat::kI420);
  const face::FaceFollower follower(tracker());
  face::FollowState state;
  size_t number = 0;
  double milliseconds = 0;
  for (bool more = true; more;) {
    std::vector<Picture> window;
    std::vector<std::unique_ptr<face::ImageSampler>> samplers;
    std::vector<const face::FrameSampler*> frames;
    while (window.size() < 16) {
      auto frame = reader.next();
      if (!frame) break;
      window.push_back(std::move(*frame));
      samplers.push_back(std::make_unique<face::ImageSampler>(window.back().view, test_device()));
      frames.push_back(samplers.back().get());
    }
    more = window.size() == 16;
    const double begin = thread_milliseconds();
    const auto found = follower.follow(frames, {.resolution = 256}, state);
    milliseconds += thread_milliseconds() - begin;
    for (const auto& frame : found) {
      ASSERT_EQ(frame.faces.size(), 1u) << "frame " << number;
      EXPECT_FALSE(frame.refused);
      EXPECT_EQ(frame.faces[0].identity, 0) << "frame " << number;
      EXPECT_EQ(frame.faces[0].weight, 1) << "frame " << number;
      ++number;
    }
  }
  EXPECT_GE(number, 60u);
  std::printf("%zu frames, %.1f ms of one thread each\n", number,
              milliseconds / static_cast<double>(number));
}

INSTANTIATE_TEST_SUITE_P(Clips, FacesInClips, testing::Values("demo1", "demo2"),
                         [](const auto& info) { return info.param; });

double mean_distance(const face::FaceLandmarks& mesh, const at::Tensor& expected) {
  const auto points = expected.to(at::kDouble);
  const auto access = points.accessor<double, 2>();
  double sum = 0;
  for (size_t i = 0; i < mesh.points.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    sum += std::hypot(mesh.points[i].x - access[row][0], mesh.points[i].y - access[row][1]);
  }
  return sum / static_cast<double>(mesh.points.size());
}

// The golden set's frames, by number, black where the trimmed copy leaves them out; they are of
// demo1, or there is nothing to compare with.
bool golden_is_of_this_clip(const std::vector<Picture>& frames) {
  for (const auto& path : golden_files("affine", "frame")) {
    const auto number = std::stoul(path.stem().string().substr(5));
    if (number >= frames.size()) continue;
    const auto expected = read_png(path).permute({2, 0, 1}).to(at::kFloat);
    const auto actual = colors(frames[number]).to(at::kFloat);
    if (expected.sizes() != actual.sizes()) return false;
    const auto stored = expected.sum(0) > 0;
    const auto difference = (expected - actual).abs().mean(0).masked_select(stored);
    return difference.numel() > 0 && difference.mean().item<double>() < 3;
  }
  return false;
}

// Our landmarks agree with those of MediaPipe's attention mesh, which the golden set was made with,
// within 1.5 % of the face's height, on average.
TEST(FaceLandmarksInClips, AgreeWithTheGoldenLandmarks) {
  const auto expected = golden("affine/affine.safetensors").tensors.at("landmarks_478_px");
  const auto frames = read_video(clip("demo1"), kernels::PixelFormat::kRgb, 0, expected.size(0));
  if (!golden_is_of_this_clip(frames)) GTEST_SKIP() << "the golden set is of another clip";
  ASSERT_EQ(static_cast<int64_t>(frames.size()), expected.size(0));
  face::FaceTrack track;
  double sum = 0;
  for (size_t i = 0; i < frames.size(); ++i) {
    const TensorSampler frame(colors(frames[i]).to(test_device()));
    auto face = tracker().follow(frame, track);
    if (!face) face = tracker().begin(frame, tracker().search(frame).at(0), track);
    ASSERT_TRUE(face);
    const double distance =
        mean_distance(face->landmarks, expected[static_cast<int64_t>(i)]) / face->box.height;
    EXPECT_LT(distance, 0.025) << "frame " << i;
    sum += distance;
  }
  const double mean = sum / static_cast<double>(frames.size());
  std::printf("%.2f %% of the face's height\n", 100 * mean);
  EXPECT_LT(mean, 0.015);
}

// The frames of the golden pipeline, which the reference edited, pass our limits too.
TEST(FacePlausibility, GoldenPipelineFramesPass) {
  if (!std::filesystem::exists(golden_dir() / "pipeline" / "in")) {
    GTEST_SKIP() << "the set has no frames";
  }
  const auto paths = golden_files("pipeline/in", "");
  ASSERT_FALSE(paths.empty());
  Footage footage;
  for (const auto& path : paths) footage.push_back(read_png(path).permute({2, 0, 1}).contiguous());
  EXPECT_EQ(weights(follow(footage)), std::vector<double>(footage.size(), 1.));
}

// 32 frames of lead-in give the matrices, weights and confidences of the whole clip.
TEST(FaceLeadIn, GivesTheWholeClip) {
  const auto& whole = head("demo2");
  const auto expected = follow(whole);
  const auto part = follow(Footage(whole.begin() + 16, whole.end()));
  for (size_t i = 48; i < whole.size(); ++i) {
    const auto& [a, b] = std::pair(expected[i].faces.at(0), part[i - 16].faces.at(0));
    EXPECT_EQ(a.weight, b.weight);
    for (size_t row = 0; row < 2; ++row) {
      for (size_t column = 0; column < 3; ++column) {
        EXPECT_NEAR(a.matrix[row][column], b.matrix[row][column], 1e-9) << "frame " << i;
      }
    }
  }
}

}  // namespace
}  // namespace latentsync::test
