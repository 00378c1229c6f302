#include "core/face/face_networks.h"
#include "core/face/plausibility.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"
#include "tests/support/models_dir.h"
#include "tests/support/pictures.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

using face::FaceTrack;
using face::TensorSampler;

double distance(const face::FaceLandmarks& a, const face::FaceLandmarks& b, double shift_x = 0,
                double shift_y = 0) {
  double sum = 0;
  for (size_t i = 0; i < a.points.size(); ++i) {
    sum += std::hypot(a.points[i].x + shift_x - b.points[i].x,
                      a.points[i].y + shift_y - b.points[i].y);
  }
  return sum / static_cast<double>(a.points.size());
}

class GoldenFaceTrack : public testing::Test {
 protected:
  static const face::FaceTracker& tracker() {
    static const auto loaded = face::load_face_tracker(test::models_dir() / "face", test_device());
    return loaded;
  }

  struct Seen : face::TrackedFace {
    bool followed = false;
  };

  // The face of the track, else the best one that is found.
  static std::optional<Seen> next(const face::FaceTracker& tracker, const at::Tensor& picture,
                                  FaceTrack& track) {
    const TensorSampler frame(picture);
    if (auto same = tracker.follow(frame, track)) return Seen{*same, true};
    track = {};
    for (const auto& detection : tracker.search(frame)) {
      const auto face = tracker.begin(frame, detection, track);
      if (face && face->landmarks.presence >= face::kLeastConfidence) return Seen{*face, false};
      track = {};
    }
    return std::nullopt;
  }
  std::optional<Seen> next(const at::Tensor& picture) { return next(tracker(), picture, track_); }

  // A picture of noise, or of one brightness.
  static at::Tensor noise(const at::Tensor& like) {
    return at::rand(like.sizes(), at::detail::createCPUGenerator(3)).to(test_device());
  }
  static at::Tensor plain(const at::Tensor& like, double value) {
    return at::full(like.sizes(), value, like.options());
  }

  // PICTURE moved by whole pixels on a grey ground.
  static at::Tensor moved(const at::Tensor& picture, int64_t right, int64_t down) {
    auto result = plain(picture, 0.4);
    const auto height = picture.size(1), width = picture.size(2);
    const auto x = std::max<int64_t>(right, 0), y = std::max<int64_t>(down, 0);
    const auto w = width - std::abs(right), h = height - std::abs(down);
    result.narrow(1, y, h).narrow(2, x, w).copy_(picture.narrow(1, std::max<int64_t>(-down, 0), h)
                                                     .narrow(2, std::max<int64_t>(-right, 0), w));
    return result;
  }

  std::vector<at::Tensor> pictures_ = golden_face_pictures();
  FaceTrack track_;
};

// A face is detected in the first frame and followed in the next, to the same place.
TEST_F(GoldenFaceTrack, DetectsThenFollows) {
  ASSERT_FALSE(pictures_.empty());
  for (const auto& picture : pictures_) {
    track_ = {};
    const auto first = next(picture);
    ASSERT_TRUE(first);
    EXPECT_FALSE(first->followed);
    EXPECT_GT(first->landmarks.presence, 0.9);
    const auto second = next(picture);
    ASSERT_TRUE(second);
    EXPECT_TRUE(second->followed);
    EXPECT_LT(distance(first->landmarks, second->landmarks), 0.02 * first->box.height);
  }
}

// The mesh moves with the face.
TEST_F(GoldenFaceTrack, FollowsAMovingFace) {
  const auto& picture = pictures_.at(0);
  const auto first = next(picture);
  ASSERT_TRUE(first);
  for (const int64_t step : {1, 2, 3}) {
    const auto face = next(moved(picture, 4 * step, -2 * step));
    ASSERT_TRUE(face);
    EXPECT_TRUE(face->followed);
    EXPECT_LT(distance(first->landmarks, face->landmarks, 4. * static_cast<double>(step),
                       -2. * static_cast<double>(step)),
              0.02 * first->box.height);
  }
}

// Pictures without a face give none, and no error, whatever was there before; values that are no
// numbers too.
TEST_F(GoldenFaceTrack, NoFaceIsNoError) {
  const auto& picture = pictures_.at(0);
  const auto nan = plain(picture, std::numeric_limits<double>::quiet_NaN());
  for (const auto& empty :
       {plain(picture, 0), plain(picture, 1), noise(picture), nan,
        at::zeros({3, 1, 1}).to(test_device()), at::zeros({3, 2, 700}).to(test_device())}) {
    track_ = {};
    EXPECT_FALSE(next(empty));
    ASSERT_TRUE(next(picture));
    EXPECT_FALSE(next(empty));
    EXPECT_FALSE(track_.region);
  }
}

// A face that comes back is found again, and is not said to have been followed.
TEST_F(GoldenFaceTrack, FindsAFaceThatComesBack) {
  const auto& picture = pictures_.at(0);
  const auto before = next(picture);
  ASSERT_TRUE(before);
  EXPECT_FALSE(next(plain(picture, 0.5)));
  const auto after = next(picture);
  ASSERT_TRUE(after);
  EXPECT_FALSE(after->followed);
  EXPECT_EQ(distance(before->landmarks, after->landmarks), 0);
}

// Nothing is followed across a cut: another picture at the face's place starts anew.
TEST_F(GoldenFaceTrack, StartsAnewAfterACut) {
  const auto& picture = pictures_.at(0);
  ASSERT_TRUE(next(picture));
  const auto darker = next(picture * 0.4);
  ASSERT_TRUE(darker);
  EXPECT_FALSE(darker->followed);
  const auto elsewhere = next(moved(picture, static_cast<int64_t>(picture.size(2) / 3), 0) * 0.4);
  EXPECT_FALSE(elsewhere && elsewhere->followed);
}

// A face that is partly outside is found or not, but never an error, and what is found lies around
// the part that is seen.
TEST_F(GoldenFaceTrack, FaceAtTheBorder) {
  const auto& picture = pictures_.at(0);
  const auto size = picture.size(2);
  for (const auto& [right, down] : std::vector<std::pair<int64_t, int64_t>>{
           {size / 4, 0}, {-size / 4, 0}, {0, size / 4}, {0, -size / 4}, {size / 2, size / 2}}) {
    SCOPED_TRACE(std::to_string(right) + ", " + std::to_string(down));
    track_ = {};
    const auto cut_off = moved(picture, right, down);
    for (int frame = 0; frame < 3; ++frame) {
      const auto face = next(cut_off);
      if (!face) continue;
      const auto center = face->box.center();
      EXPECT_TRUE(center.x > -0.1 * size && center.x < 1.1 * size);
      EXPECT_TRUE(center.y > -0.1 * size && center.y < 1.1 * size);
    }
  }
}

// A detection where there is no face has a mesh that says so, and one that lies outside has none.
TEST_F(GoldenFaceTrack, WrongDetectionsHaveNoPresence) {
  const auto& picture = pictures_.at(0);
  const auto right = next(picture);
  ASSERT_TRUE(right);
  const TensorSampler empty(plain(picture, 0.5));
  face::Detection detection{.score = 1, .box = right->box};
  detection.key_points.fill(right->box.center());
  detection.key_points[1].x += 10;
  FaceTrack track;
  const auto nothing = tracker().begin(empty, detection, track);
  EXPECT_TRUE(!nothing || nothing->landmarks.presence < face::kLeastConfidence);
  detection.box.left -= 10 * static_cast<double>(picture.size(2));
  EXPECT_FALSE(tracker().begin(TensorSampler(picture), detection, track));
}

}  // namespace
}  // namespace latentsync::test
