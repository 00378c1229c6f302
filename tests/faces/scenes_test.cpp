#include "tests/faces/scenes.h"

#include "core/error.h"

#include <algorithm>
#include <cmath>
#include <stop_token>
#include <string>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

using face::FrameFaces;

void append(Footage& footage, const Footage& more, size_t count) {
  footage.insert(footage.end(), more.begin(), more.begin() + static_cast<std::ptrdiff_t>(count));
}

at::Tensor black(int64_t width, int64_t height) { return at::zeros({3, height, width}, at::kByte); }

at::Tensor noise(int64_t width, int64_t height) {
  return (at::rand({3, height, width}, at::detail::createCPUGenerator(3)) * 255).to(at::kByte);
}

// Where A and B do not agree to the last bit, in words.
testing::AssertionResult same(const std::vector<FrameFaces>& a, const std::vector<FrameFaces>& b) {
  if (a.size() != b.size()) return testing::AssertionFailure() << "another number of frames";
  for (size_t i = 0; i < a.size(); ++i) {
    auto failure = testing::AssertionFailure() << "frame " << i << ": ";
    if (a[i].faces.size() != b[i].faces.size()) return failure << "another number of faces";
    for (size_t j = 0; j < a[i].faces.size(); ++j) {
      const auto& [x, y] = std::pair(a[i].faces[j], b[i].faces[j]);
      if (x.weight != y.weight) return failure << x.weight << " and " << y.weight;
      if (x.matrix != y.matrix) return failure << x.matrix[0][2] - y.matrix[0][2] << " in x";
      if (x.confidence != y.confidence) return failure << "another confidence";
    }
  }
  return testing::AssertionSuccess();
}

// Frames without a face are not edited, and are no error; the face between two of them is edited
// in full at once, because everything changes there, and it is a new one each time.
TEST(FaceScenes, BlackFramesAndNoise) {
  const auto& person = head("demo1");
  const auto width = person[0].size(2), height = person[0].size(1);
  Footage footage;
  std::vector<double> expected;
  for (const auto& empty :
       {black(width, height), noise(width, height), at::full_like(person[0], 255)}) {
    append(footage, person, 2);
    append(footage, {empty, empty}, 2);
    for (const double weight : {1., 1., 0., 0.}) expected.push_back(weight);
  }
  const auto frames = follow(footage);
  EXPECT_EQ(weights(frames), expected);
  EXPECT_NE(frames[0].faces[0].identity, frames[4].faces[0].identity);
  EXPECT_EQ(frames[0].faces[0].identity, frames[1].faces[0].identity);
  EXPECT_EQ(frames[0].faces[0].matrix, frames[4].faces[0].matrix);
}

// Pictures of any size and shape are no error.
TEST(FaceScenes, OddAndTinyPictures) {
  const auto& person = head("demo1")[0];
  for (const auto& [width, height] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 1}, {16, 16}, {17, 31}, {301, 1}, {3, 257}, {299, 397}}) {
    auto frame = ground(width, height);
    lay(frame, person, static_cast<double>(width) / 2, static_cast<double>(height) / 2);
    const auto frames = follow({frame, frame, noise(width, height)},
                               {.select = FaceSelect::kAll, .resolution = 256});
    EXPECT_EQ(frames[0].faces.size(), width == 299 ? 1u : 0u) << width << " x " << height;
    EXPECT_EQ(frames[2].faces.size(), 0u);
  }
}

// Footage of a person who goes out of the picture and comes back.
Footage leaving() {
  const auto& person = head("demo1");
  Footage footage;
  for (int i = 0; i < 30; ++i) {
    auto frame = ground(480, 440);
    const double away = std::max(0, 14 - std::abs(i - 15));
    lay(frame, person[static_cast<size_t>(i)], 240 + 22 * away, 220);
    footage.push_back(frame);
  }
  return footage;
}

// The edit of a face that leaves fades out before it is gone and in when it is back.
TEST(FaceScenes, FaceLeavesAndComesBack) {
  const auto footage = leaving();
  const auto frames = follow(footage, {.resolution = 256}, footage.size());
  const auto weight = weights(frames);
  const auto gone = static_cast<size_t>(std::ranges::find(weight, 0.) - weight.begin());
  ASSERT_LT(gone, weight.size());
  ASSERT_GT(gone, 8u);
  const auto back =
      static_cast<size_t>(std::find_if(weight.begin() + static_cast<std::ptrdiff_t>(gone),
                                       weight.end(), [](double value) { return value > 0; }) -
                          weight.begin());
  ASSERT_LT(back + 6, weight.size());
  EXPECT_DOUBLE_EQ(weight[gone - 1], kStep);
  EXPECT_DOUBLE_EQ(weight[back], kStep);
  EXPECT_EQ(weight.front(), 1);
  EXPECT_EQ(weight.back(), 1);
  for (size_t i = 1; i < weight.size(); ++i) {
    EXPECT_LT(std::abs(weight[i] - weight[i - 1]), 1.001 * kStep) << "frame " << i;
  }

  // Fading in goes on from window to window.
  face::FollowState state;
  const face::FollowSettings settings{.resolution = 256};
  const auto part = [&](size_t begin, size_t end) {
    return weights(follow(Footage(footage.begin() + static_cast<std::ptrdiff_t>(begin),
                                  footage.begin() + static_cast<std::ptrdiff_t>(end)),
                          settings, state));
  };
  part(0, gone);
  EXPECT_EQ(part(gone, gone + 1), std::vector<double>{0.});
  part(gone + 1, back + 2);
  const auto rest = part(back + 2, back + 5);
  for (size_t i = 0; i < rest.size(); ++i) EXPECT_DOUBLE_EQ(rest[i], weight[back + 2 + i]);
}

// After a cut to another person everything is that of a fresh start: matrices, weights, identity;
// and what was before fades nothing out. A window may end where the cut is.
TEST(FaceScenes, NothingMixesAcrossACut) {
  for (const auto& [first, second] : {std::pair("demo1", "demo2"), std::pair("demo2", "demo1")}) {
    Footage footage, after;
    append(footage, head(first), 6);
    append(footage, head(second), 6);
    append(after, head(second), 6);
    const auto fresh = follow(after);
    for (const size_t window : {12u, 6u}) {
      SCOPED_TRACE(std::string(first) + ", windows of " + std::to_string(window));
      const auto frames = follow(footage, {.resolution = 256}, window);
      EXPECT_TRUE(same({frames.begin() + 6, frames.end()}, fresh));
      EXPECT_EQ(weights(frames), std::vector<double>(12, 1.));
      EXPECT_NE(frames[5].faces[0].identity, frames[6].faces[0].identity);
      EXPECT_EQ(frames[0].faces[0].identity, frames[5].faces[0].identity);
    }
  }
}

// A face that is partly outside is edited where it is seen, or not; but it is never an error, and
// no face is found where none is.
TEST(FaceScenes, FacePartlyOutside) {
  const auto& person = head("demo1");
  for (const auto& [x, y] : std::vector<std::pair<double, double>>{
           {0, 220}, {480, 220}, {240, 20}, {240, 430}, {20, 20}, {470, 430}, {-40, 220}}) {
    Footage footage;
    for (size_t i = 0; i < 3; ++i) {
      auto frame = ground(480, 440);
      lay(frame, person[i], x, y);
      footage.push_back(frame);
    }
    for (const auto& frame : follow(footage)) {
      ASSERT_LE(frame.faces.size(), 1u);
      for (const auto& face : frame.faces) {
        EXPECT_LT(std::hypot(face.box.center().x - x, face.box.center().y - y), 150);
        for (const auto& row : face.matrix) {
          for (const double value : row) EXPECT_TRUE(std::isfinite(value));
        }
      }
    }
  }
}

// A mirrored and a tilted face is found; one that lies on its side or upside down is no error.
TEST(FaceScenes, MirroredAndTurned) {
  const auto& person = head("demo1")[0];
  const auto upright = follow({person});
  const auto mirrored = follow({person.flip(2)});
  ASSERT_EQ(mirrored[0].faces.size(), 1u);
  EXPECT_NEAR(mirrored[0].faces[0].box.center().x, 299 - upright[0].faces[0].box.center().x, 8);
  const auto turned =
      face::TensorSampler(person).sample({{150, 220}, 300, 0.4}, 300, face::Outside::kEdge)[0];
  const auto tilted = follow({(turned * 255).to(at::kByte)});
  ASSERT_EQ(tilted[0].faces.size(), 1u);
  const auto angle = [](const FrameFaces& frame) {
    const auto& matrix = frame.faces.at(0).matrix;
    return std::atan2(matrix[1][0], matrix[0][0]);
  };
  EXPECT_NEAR(angle(tilted[0]) - angle(upright[0]), 0.4, 0.1);
  follow({person.rot90(1, {1, 2}), person.rot90(2, {1, 2}), person.rot90(3, {1, 2})});
}

// A face under the reference's limits is refused, with its box, and is not edited.
TEST(FaceScenes, RefusesASmallFace) {
  const auto& person = head("demo1")[0];
  const auto small =
      face::TensorSampler(person).sample({{149.5, 199.5}, 400, 0}, 130, face::Outside::kEdge)[0];
  auto frame = ground(240, 200);
  lay(frame, (small * 255).to(at::kByte), 120, 100);
  for (const auto select : {FaceSelect::kLargest, FaceSelect::kAll}) {
    const auto frames = follow({frame, frame}, {.select = select, .resolution = 256});
    for (const auto& each : frames) {
      EXPECT_TRUE(each.faces.empty());
      ASSERT_TRUE(each.refused);
      EXPECT_NEAR(each.refused->box.center().x, 120, 20);
      EXPECT_LT(each.refused->box.height, 80);
      EXPECT_GT(each.refused->confidence, 0.5);
    }
  }
}

// Who stops gets an error that says so, and the state is that of before.
TEST(FaceScenes, StopsWithoutATrace) {
  face::FollowState state;
  const auto& person = head("demo1");
  const face::FollowSettings settings{.resolution = 256};
  const auto first = follow({person[0]}, settings, state);
  auto copy = state;
  std::stop_source stop;
  stop.request_stop();
  const face::FaceFollower follower(tracker());
  const face::TensorSampler frame(ground(64, 64));
  const face::FrameSampler* frames[] = {&frame};
  try {
    follower.follow(frames, settings, state, stop.get_token());
    ADD_FAILURE() << "was not stopped";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  EXPECT_THROW(follower.follow(frames, {}, state), Error);
  EXPECT_TRUE(same(follow({person[1]}, settings, state), follow({person[1]}, settings, copy)));
}

}  // namespace
}  // namespace latentsync::test
