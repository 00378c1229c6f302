#include "core/error.h"
#include "core/face/alignment.h"
#include "core/face/plausibility.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace latentsync::face {
namespace {

// A clip's points: a face that sways, nods and comes nearer.
AlignmentPoints points_of_frame(int frame) {
  const double angle = 0.2 * std::sin(0.13 * frame);
  const double size = 80 + 20 * std::sin(0.05 * frame);
  const Point center{500 + 40 * std::sin(0.31 * frame), 400 + 25 * std::cos(0.17 * frame)};
  const auto at = [&](double x, double y) {
    return Point{std::nearbyint(center.x + size * (x * std::cos(angle) - y * std::sin(angle))),
                 std::nearbyint(center.y + size * (x * std::sin(angle) + y * std::cos(angle)))};
  };
  return {at(-0.5, -0.2), at(0.5, -0.2), at(0.03 * std::sin(0.7 * frame), 0.3)};
}

Point apply(const AffineMatrix& m, Point p) {
  return {m[0][0] * p.x + m[0][1] * p.y + m[0][2], m[1][0] * p.x + m[1][1] * p.y + m[1][2]};
}

// A crop's pixels are 1.2 times as dense as the aligned face's across, and chroma half as dense as
// the frame's: what is taken and put back shrinks by 63 times at most.
TEST(FacePlausibility, CropsThatCanBeResampled) {
  const auto scaled = [](double scale) { return AffineMatrix{{{scale, 0, 0}, {0, scale, 0}}}; };
  for (const int64_t resolution : {128, 256, 1024}) {
    EXPECT_TRUE(can_be_resampled(scaled(1), resolution));
    EXPECT_TRUE(can_be_resampled(scaled(25), resolution));
    EXPECT_FALSE(can_be_resampled(scaled(27), resolution));
    EXPECT_TRUE(can_be_resampled(scaled(1. / 55), resolution));
    EXPECT_FALSE(can_be_resampled(scaled(1. / 60), resolution));
  }
  EXPECT_FALSE(can_be_resampled(scaled(std::numeric_limits<double>::quiet_NaN()), 256));
}

// The template itself, turned, scaled and moved, comes back to the template: the transform is a
// similarity and is the right way round.
TEST(FaceAlignment, UndoesASimilarity) {
  const double scale = 2.8, angle = 0.7;
  const AlignmentPoints wanted = {
      {{17 * scale, 20 * scale}, {58 * scale, 20 * scale}, {37.5 * scale, 40 * scale}}};
  AlignmentPoints turned;
  for (size_t i = 0; i < wanted.size(); ++i) {
    turned[i] = {900 + 1.7 * (std::cos(angle) * wanted[i].x - std::sin(angle) * wanted[i].y),
                 300 + 1.7 * (std::sin(angle) * wanted[i].x + std::cos(angle) * wanted[i].y)};
  }
  const auto matrix = align(turned, 256);
  ASSERT_TRUE(matrix);
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(apply(*matrix, turned[i]).x, wanted[i].x, 1e-9);
    EXPECT_NEAR(apply(*matrix, turned[i]).y, wanted[i].y, 1e-9);
  }
}

// A mirrored face is not mirrored back: the determinant stays positive.
TEST(FaceAlignment, NeverMirrors) {
  auto points = points_of_frame(0);
  std::swap(points[0], points[1]);
  const auto matrix = align(points, 256);
  ASSERT_TRUE(matrix);
  EXPECT_GT((*matrix)[0][0] * (*matrix)[1][1] - (*matrix)[0][1] * (*matrix)[1][0], 0);
}

// 32 frames of lead-in from a new state give the matrices of the whole clip, so a clip can be
// worked on in parts.
TEST(FaceAlignment, LeadInGivesTheMatricesOfTheWholeClip) {
  constexpr int kFrames = 120, kStart = 70, kLeadIn = 32;
  AlignmentState whole, part;
  double with_short_lead_in = 0;
  AlignmentState late;
  for (int frame = 0; frame < kFrames; ++frame) {
    const auto points = points_of_frame(frame);
    const auto expected = align(points, 512, &whole);
    if (frame >= kStart) {
      with_short_lead_in = std::max(
          with_short_lead_in, std::abs((*align(points, 512, &late))[1][2] - (*expected)[1][2]));
    }
    if (frame < kStart - kLeadIn) continue;
    const auto matrix = align(points, 512, &part);
    if (frame < kStart) continue;
    for (size_t row = 0; row < 2; ++row) {
      for (size_t column = 0; column < 3; ++column) {
        EXPECT_NEAR((*matrix)[row][column], (*expected)[row][column], 1e-12) << frame;
      }
    }
  }
  // Without any lead-in there is a difference to be forgotten.
  EXPECT_GT(with_short_lead_in, 1e-3);
}

// Points from which no transform follows give none, and the smoothing goes on as if the frame had
// not been.
TEST(FaceAlignment, UnusablePointsLeaveTheStateAlone) {
  AlignmentState state;
  ASSERT_TRUE(align(points_of_frame(0), 256, &state));
  const auto before = *state.offset;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<AlignmentPoints> unusable = {
      {{{5, 5}, {5, 5}, {5, 5}}}, {{{nan, 5}, {9, 5}, {7, 9}}}, {{{1, 5}, {9, infinity}, {7, 9}}}};
  for (const auto& points : unusable) {
    EXPECT_FALSE(align(points, 256, &state));
    EXPECT_EQ(state.offset->x, before.x);
    EXPECT_EQ(state.offset->y, before.y);
  }
}

// Points and means are rounded to whole pixels, halves to the even one.
TEST(FaceAlignment, RoundsHalvesToEven) {
  FaceLandmarks landmarks;
  for (auto& point : landmarks.points) point = {10.5, 11.5, 0};
  EXPECT_EQ(alignment_points(landmarks)[0].x, 10);
  EXPECT_EQ(alignment_points(landmarks)[0].y, 12);
  // The nose's four points: their mean is 12.5.
  for (const size_t index : {195, 48}) landmarks.points[index] = {12.2, 13, 0};
  for (const size_t index : {278, 4}) landmarks.points[index] = {12.9, 12, 0};
  EXPECT_EQ(alignment_points(landmarks)[2].x, 12);
  EXPECT_EQ(alignment_points(landmarks)[2].y, 12);
}

// The aligned face has the template's proportions, rounded down as the reference does.
TEST(FaceAlignment, SizeFollowsTheResolution) {
  EXPECT_EQ(aligned_size(256).width, 210);
  EXPECT_EQ(aligned_size(256).height, 280);
  EXPECT_EQ(aligned_size(512).width, 420);
  EXPECT_EQ(aligned_size(512).height, 560);
  EXPECT_EQ(aligned_size(128).width, 105);
  EXPECT_THROW(aligned_size(0), Error);
}

}  // namespace
}  // namespace latentsync::face
