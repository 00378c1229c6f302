#include "core/error.h"
#include "core/face/detector.h"
#include "core/face/frame_sampler.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace latentsync::face {
namespace {

const std::vector<BlazeFace::Grid> kGrids = {{4, 2}, {2, 3}};
constexpr int64_t kAnchors = 4 * 4 * 2 + 2 * 2 * 3;
constexpr int64_t kInputSize = 128;

// No anchor sees a face.
BlazeFace::Candidates nothing() {
  return {at::zeros({1, kAnchors, BlazeFace::kBoxValues}), at::full({1, kAnchors}, -20.)};
}

void place(BlazeFace::Candidates& candidates, int64_t anchor, double logit, double x, double y,
           double width, double height) {
  candidates.logits[0][anchor] = logit;
  const double values[] = {x, y, width, height};
  for (int64_t i = 0; i < 4; ++i) candidates.boxes[0][anchor][i] = values[i];
}

Detection detection(double score, double left, double top, double width, double height) {
  Detection face{.score = score, .box = {left, top, width, height}};
  face.key_points.fill({left, top});
  return face;
}

// A candidate lies where its anchor is: row by row, all anchors of a place one after the other, the
// coarser grid behind the finer one; its numbers are pixels of the input.
TEST(FaceDetector, DecodesRelativeToTheAnchor) {
  auto candidates = nothing();
  place(candidates, (1 * 4 + 2) * 2 + 1, 2, 12.8, -6.4, 64, 32);
  place(candidates, 4 * 4 * 2 + (1 * 2 + 0) * 3 + 2, 0.5, 0, 0, 12.8, 12.8);
  candidates.boxes[0][(1 * 4 + 2) * 2 + 1][4] = 25.6;
  const auto faces = decode(candidates, kGrids, kInputSize);
  ASSERT_EQ(faces.size(), 2u);
  EXPECT_NEAR(faces[0].score, 1 / (1 + std::exp(-2.)), 1e-6);
  EXPECT_NEAR(faces[0].box.center().x, 2.5 / 4 + 0.1, 1e-6);
  EXPECT_NEAR(faces[0].box.center().y, 1.5 / 4 - 0.05, 1e-6);
  EXPECT_NEAR(faces[0].box.width, 0.5, 1e-6);
  EXPECT_NEAR(faces[0].box.height, 0.25, 1e-6);
  EXPECT_NEAR(faces[0].key_points[0].x, 2.5 / 4 + 0.2, 1e-6);
  EXPECT_NEAR(faces[0].key_points[0].y, 1.5 / 4, 1e-6);
  EXPECT_NEAR(faces[1].box.center().x, 0.25, 1e-6);
  EXPECT_NEAR(faces[1].box.center().y, 0.75, 1e-6);
}

// A logit of 0 is a score of one half and counts; any less does not.
TEST(FaceDetector, LimitIsOneHalf) {
  auto candidates = nothing();
  EXPECT_TRUE(decode(candidates, kGrids, kInputSize).empty());
  place(candidates, 0, -0.001, 0, 0, 10, 10);
  EXPECT_TRUE(decode(candidates, kGrids, kInputSize).empty());
  place(candidates, 0, 0, 0, 0, 10, 10);
  EXPECT_EQ(decode(candidates, kGrids, kInputSize).size(), 1u);
}

// What is not finite or has no area is no face; a huge logit is a score of 1.
TEST(FaceDetector, LeavesOutUnusableCandidates) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  auto candidates = nothing();
  place(candidates, 0, nan, 0, 0, 10, 10);
  place(candidates, 1, 5, nan, 0, 10, 10);
  place(candidates, 2, 5, 0, 0, infinity, 10);
  place(candidates, 3, 5, 0, 0, 0, 10);
  place(candidates, 4, 5, 0, 0, 10, -3);
  place(candidates, 5, 5, 0, 0, 10, 10);
  candidates.boxes[0][5][11] = nan;
  EXPECT_TRUE(decode(candidates, kGrids, kInputSize).empty());
  place(candidates, 6, infinity, 0, 0, 10, 10);
  const auto faces = decode(candidates, kGrids, kInputSize);
  ASSERT_EQ(faces.size(), 1u);
  EXPECT_DOUBLE_EQ(faces[0].score, 1);
}

// Boxes of one face become one, their mean weighted by the scores, with the best score; another
// face stays by itself, and the better one comes first.
TEST(FaceDetector, MergesBoxesOfTheSameFace) {
  const auto faces =
      merge_same_faces({detection(0.6, 10, 10, 40, 40), detection(0.7, 200, 0, 30, 30),
                        detection(0.9, 14, 10, 40, 40)});
  ASSERT_EQ(faces.size(), 2u);
  EXPECT_EQ(faces[0].score, 0.9);
  EXPECT_NEAR(faces[0].box.left, (0.6 * 10 + 0.9 * 14) / 1.5, 1e-9);
  EXPECT_NEAR(faces[0].key_points[3].x, (0.6 * 10 + 0.9 * 14) / 1.5, 1e-9);
  EXPECT_NEAR(faces[1].box.left, 200, 1e-9);
  EXPECT_TRUE(merge_same_faces({}).empty());
}

// The region stands along the eyes' line and is 1.5 times the box's longer edge.
TEST(FaceDetector, RegionIsUprightByTheEyes) {
  auto face = detection(0.9, 100, 50, 40, 60);
  face.key_points[0] = {110, 60};
  face.key_points[1] = {130, 80};
  const auto region = face_region(face);
  EXPECT_DOUBLE_EQ(region.center.x, 120);
  EXPECT_DOUBLE_EQ(region.center.y, 80);
  EXPECT_DOUBLE_EQ(region.size, 90);
  EXPECT_NEAR(region.rotation, std::numbers::pi / 4, 1e-12);
}

// A picture whose red is its column and whose green is its row.
at::Tensor coordinates(int64_t height, int64_t width) {
  auto picture = at::zeros({3, height, width});
  picture[0] += at::arange(width) / 1000.;
  picture[1] += (at::arange(height) / 1000.).unsqueeze(1);
  return picture;
}

// A sample shows the place that place_in() names, turned or not, larger or smaller than the
// picture's own pixels.
TEST(FaceSampler, SamplesThePlacesOfTheSquare) {
  const TensorSampler sampler(coordinates(240, 320));
  for (const auto& square :
       {RotatedSquare{{150, 110}, 16, 0}, RotatedSquare{{150.25, 110.75}, 61, 0.6},
        RotatedSquare{{150, 110}, 100, -2.5}}) {
    const auto view = sampler.sample(square, 16, Outside::kEdge);
    for (const int64_t row : {0, 7, 15}) {
      for (const int64_t column : {0, 3, 15}) {
        const auto place = place_in(square, (static_cast<double>(column) + 0.5) / 16,
                                    (static_cast<double>(row) + 0.5) / 16);
        EXPECT_NEAR(view[0][0][row][column].item<double>() * 1000, place.x, 0.02);
        EXPECT_NEAR(view[0][1][row][column].item<double>() * 1000, place.y, 0.02);
      }
    }
  }
}

// Fine detail is averaged away where the view is smaller, not picked at random.
TEST(FaceSampler, ShrinksWithoutAliasing) {
  const auto stripes = (at::arange(512) % 2).to(at::kFloat).expand({3, 512, 512});
  const auto view = TensorSampler(stripes).sample({{255.5, 255.5}, 400, 0.3}, 64, Outside::kEdge);
  EXPECT_LT((view - 0.5).abs().max().item<double>(), 0.2);
}

// Outside the picture there is its edge, or black; also where the square does not touch it at all.
TEST(FaceSampler, HasAnEdgeOrBlackOutside) {
  const TensorSampler sampler(at::ones({3, 20, 20}));
  for (const auto& center : {Point{0, 0}, Point{-500, 9}, Point{9, 1e6}}) {
    EXPECT_NEAR(sampler.sample({center, 30, 0.2}, 8, Outside::kEdge).min().item<double>(), 1, 1e-6);
  }
  EXPECT_EQ(sampler.sample({{-500, 9}, 30, 0.2}, 8, Outside::kBlack).max().item<double>(), 0);
  const auto corner = sampler.sample({{-0.5, -0.5}, 16, 0}, 8, Outside::kBlack);
  EXPECT_EQ(corner[0][0][0][0].item<double>(), 0);
  EXPECT_EQ(corner[0][0][7][7].item<double>(), 1);
}

// Bytes are the same picture as floats.
TEST(FaceSampler, TakesBytes) {
  const auto bytes = (at::rand({3, 50, 70}) * 255).to(at::kByte);
  const RotatedSquare square{{30, 20}, 25, 0.4};
  const auto from_bytes = TensorSampler(bytes).sample(square, 32, Outside::kEdge);
  const auto from_floats =
      TensorSampler(bytes.to(at::kFloat) / 255).sample(square, 32, Outside::kEdge);
  EXPECT_LT((from_bytes - from_floats).abs().max().item<double>(), 1e-6);
}

// A picture or a square that is none is refused.
TEST(FaceSampler, RefusesWhatIsNoPicture) {
  EXPECT_THROW(TensorSampler(at::zeros({1, 8, 8})), Error);
  EXPECT_THROW(TensorSampler(at::zeros({3, 0, 8})), Error);
  EXPECT_THROW(TensorSampler(at::zeros({3, 8, 8}, at::kDouble)), Error);
  const TensorSampler sampler(at::zeros({3, 8, 8}));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(sampler.sample({{4, 4}, 0, 0}, 8, Outside::kEdge), Error);
  EXPECT_THROW(sampler.sample({{nan, 4}, 4, 0}, 8, Outside::kEdge), Error);
  EXPECT_THROW(sampler.sample({{4, 4}, 4, nan}, 8, Outside::kEdge), Error);
}

}  // namespace
}  // namespace latentsync::face
