#include "core/face/mouth.h"

#include "core/face/image_sampler.h"
#include "core/face/track.h"
#include "core/lipsync/face_sequences.h"
#include "kernels/warp_crop/warp_crop.h"
#include "tests/faces/scenes.h"
#include "tests/support/compare.h"
#include "tests/support/video.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

constexpr int64_t kResolution = 256;

// The distance of the inner lips over the mouth's width, in whatever direction the mouth lies.
TEST(MouthOpening, IsAFractionOfTheMouthsWidth) {
  for (const double angle : {0., 0.7}) {
    face::FaceLandmarks mesh;
    const auto put = [&](size_t point, double x, double y) {
      mesh.points[point] = {100 + x * std::cos(angle) - y * std::sin(angle),
                            80 + x * std::sin(angle) + y * std::cos(angle), 0};
    };
    put(61, -20, 0);
    put(291, 20, 0);
    put(13, 0, -4);
    put(14, 0, 6);
    EXPECT_NEAR(face::mouth_opening(mesh), 0.25, 1e-9) << angle;
  }
  EXPECT_EQ(face::mouth_opening({}), 0);
}

/// The openings of a clip's first frames, seen in the whole frames and in the model's crops.
struct Openings {
  std::vector<double> frames;
  std::vector<double> crops;
};

Openings openings_of(const std::string& name) {
  const auto tracker = test::tracker();
  const face::FaceFollower follower(tracker);
  face::FollowState state;
  face::FaceTrack track;
  Openings openings;
  for (const auto& picture : read_video(clip(name), kernels::PixelFormat::kI420, 0, 60)) {
    const face::ImageSampler frame(picture.view, test_device());
    const face::FrameSampler* frames[] = {&frame};
    const auto faces = follower.follow(frames, {.resolution = kResolution}, state).front().faces;
    auto seen = tracker.follow(frame, track);
    if (!seen) seen = tracker.begin(frame, tracker.search(frame).front(), track);
    openings.frames.push_back(face::mouth_opening(seen->landmarks));
    const auto crop = at::empty({3, kResolution, kResolution});
    kernels::warp_crop(picture.view, lipsync::crop_map(faces.front().matrix, kResolution),
                       kernels::ValueRange::kUnit, crop);
    const auto measured =
        face::mouth_openings(tracker.landmarker(), crop.unsqueeze(0).to(test_device())).front();
    openings.crops.push_back(measured.value_or(-1));
  }
  return openings;
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const auto mean = [](const std::vector<double>& v) {
    double sum = 0;
    for (const double x : v) sum += x;
    return sum / static_cast<double>(v.size());
  };
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean(a)) * (b[i] - mean(b));
    aa += (a[i] - mean(a)) * (a[i] - mean(a));
    bb += (b[i] - mean(b)) * (b[i] - mean(b));
  }
  return ab / std::sqrt(aa * bb);
}

class MouthsInClips : public testing::TestWithParam<std::string> {};

// A mouth opens and closes in the model's crop as it does in the whole frame, but for an offset.
TEST_P(MouthsInClips, AreMeasuredInCrops) {
  const auto openings = openings_of(GetParam());
  double difference = 0;
  for (size_t i = 0; i < openings.frames.size(); ++i) {
    ASSERT_GE(openings.crops[i], 0) << "no face in the crop of frame " << i;
    difference += std::abs(openings.crops[i] - openings.frames[i]);
  }
  difference /= static_cast<double>(openings.frames.size());
  const auto [least, most] = std::ranges::minmax(openings.crops);
  std::printf("%zu frames: open by %.3f to %.3f, %.3f off on average, correlation %.3f\n",
              openings.frames.size(), least, most, difference,
              correlation(openings.frames, openings.crops));
  EXPECT_GT(most - least, 0.1);
  EXPECT_GT(correlation(openings.frames, openings.crops), 0.95);
}

INSTANTIATE_TEST_SUITE_P(Clips, MouthsInClips, testing::Values("demo1", "demo2"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace latentsync::test
