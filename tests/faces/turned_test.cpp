#include "core/face/landmarks.h"
#include "tests/faces/scenes.h"
#include "tests/support/video.h"

#include <cmath>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/avg_pool2d.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

using face::AffineMatrix;
using face::Point;

constexpr int64_t kEdge = 480;
constexpr int kStepDegrees = 15;
// Between the lips, in FaceMesh's order.
constexpr size_t kMouth = 13;

Point applied(const AffineMatrix& m, const Point& p) {
  return {m[0][0] * p.x + m[0][1] * p.y + m[0][2], m[1][0] * p.x + m[1][1] * p.y + m[1][2]};
}

Point applied_back(const AffineMatrix& m, const Point& p) {
  const double x = p.x - m[0][2], y = p.y - m[1][2];
  const double determinant = m[0][0] * m[1][1] - m[0][1] * m[1][0];
  return {(m[1][1] * x - m[0][1] * y) / determinant, (m[0][0] * y - m[1][0] * x) / determinant};
}

double distance(const Point& a, const Point& b) { return std::hypot(a.x - b.x, a.y - b.y); }

/// The head of a clip's first frames in square pictures, turned by any angle, and where its mouth
/// is then.
class TurnedHead {
 public:
  TurnedHead(const std::string& name, int64_t count) {
    for (const auto& picture : read_video(clip(name), kernels::PixelFormat::kRgb, 0, count)) {
      frames_.push_back(colors(picture).clone());
    }
    const auto found = follow({frames_[0]}).at(0).faces.at(0);
    place_ = {found.box.center(), 2.6 * found.box.height, 0};
    height_ = found.box.height / place_.size * kEdge;
    const auto upright = this->frame(0, 0);
    const face::TensorSampler sampler(upright);
    face::FaceTrack track;
    const auto face = tracker().begin(sampler, tracker().search(sampler).at(0), track);
    mouth_ = {face->landmarks.points[kMouth].x, face->landmarks.points[kMouth].y};
    aligned_mouth_ = applied(follow({upright}).at(0).faces.at(0).matrix, mouth_);
  }

  /// Frame NUMBER, turned clockwise.
  at::Tensor frame(size_t number, double degrees) const {
    auto place = place_;
    place.rotation = -degrees * std::numbers::pi / 180;
    const auto picture =
        face::TensorSampler(frames_[number]).sample(place, kEdge, face::Outside::kEdge)[0];
    return (picture * 255).round().to(at::kByte);
  }

  /// How far from the mouth of a turned frame an edit by this matrix lies, over the face's height.
  double miss(const AffineMatrix& matrix, double degrees) const {
    const double middle = (kEdge - 1) / 2.;
    const double x = mouth_.x - middle, y = mouth_.y - middle;
    const double cosine = std::cos(degrees * std::numbers::pi / 180);
    const double sine = std::sin(degrees * std::numbers::pi / 180);
    const Point turned{middle + x * cosine - y * sine, middle + x * sine + y * cosine};
    return distance(applied_back(matrix, aligned_mouth_), turned) / height_;
  }

 private:
  std::vector<at::Tensor> frames_;
  face::RotatedSquare place_;
  double height_ = 0;
  Point mouth_, aligned_mouth_;
};

class TurnedHeads : public testing::TestWithParam<std::string> {};

// A head is edited at its mouth in every frame, however far it is turned: on its side, upside down.
TEST_P(TurnedHeads, AreEditedAtTheMouth) {
  constexpr size_t kFrames = 3;
  const TurnedHead head(GetParam(), kFrames);
  for (int degrees = 0; degrees < 360; degrees += kStepDegrees) {
    Footage footage;
    for (size_t i = 0; i < kFrames; ++i) footage.push_back(head.frame(i, degrees));
    const auto frames = follow(footage);
    for (size_t i = 0; i < kFrames; ++i) {
      ASSERT_EQ(frames[i].faces.size(), 1u) << degrees << " degrees, frame " << i;
      EXPECT_LT(head.miss(frames[i].faces[0].matrix, degrees), 0.08)
          << degrees << " degrees, frame " << i;
      EXPECT_EQ(frames[i].faces[0].identity, 0) << degrees << " degrees, frame " << i;
    }
  }
}

// Of a blurred head, where the networks know less, the edit is at the mouth or there is none.
TEST_P(TurnedHeads, BlurredAreEditedAtTheMouthOrNotAtAll) {
  const TurnedHead head(GetParam(), 1);
  int edited = 0;
  for (int degrees = 0; degrees < 360; degrees += 2 * kStepDegrees) {
    const auto sharp = head.frame(0, degrees).to(at::kFloat).unsqueeze(0);
    const auto blurred = at::avg_pool2d(sharp, {15, 15}, {1, 1}, {7, 7}, false, false)[0];
    const auto found = follow({blurred.round().to(at::kByte)});
    for (const auto& face : found.at(0).faces) {
      EXPECT_LT(head.miss(face.matrix, degrees), 0.15) << degrees << " degrees";
      ++edited;
    }
  }
  EXPECT_GE(edited, 8) << "of 12";
}

// A head that rolls over is followed all the way round as one face, without a change of mind.
TEST_P(TurnedHeads, RollingIsFollowed) {
  const TurnedHead head(GetParam(), 1);
  Footage footage;
  for (int degrees = 0; degrees <= 360; degrees += 10) footage.push_back(head.frame(0, degrees));
  const auto frames = follow(footage, {.resolution = 256}, footage.size());
  for (size_t i = 0; i < frames.size(); ++i) {
    ASSERT_EQ(frames[i].faces.size(), 1u) << "frame " << i;
    EXPECT_EQ(frames[i].faces[0].identity, 0) << "frame " << i;
    EXPECT_EQ(frames[i].faces[0].weight, 1) << "frame " << i;
    EXPECT_LT(head.miss(frames[i].faces[0].matrix, 10. * static_cast<double>(i)), 0.08)
        << "frame " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Clips, TurnedHeads, testing::Values("demo1", "demo2"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace latentsync::test
