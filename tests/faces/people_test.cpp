#include "core/face/detector.h"
#include "tests/faces/scenes.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

// Several people in the picture: who is who, and who is chosen.
namespace latentsync::test {
namespace {

using face::FaceInFrame;

constexpr double kSpeed = 12;

// A person goes from left to right behind another one, who goes from right to left.
Footage crossing(const std::string& behind, const std::string& before, size_t count) {
  Footage footage;
  for (size_t i = 0; i < count; ++i) {
    auto frame = ground(960, 440);
    const double way = kSpeed * static_cast<double>(i);
    lay(frame, head(behind)[i], 260 + way, 220);
    lay(frame, head(before)[i], 700 - way, 220);
    footage.push_back(frame);
  }
  return footage;
}

// How far a face is from the one of the two people that it belongs to.
double from_the_one_behind(const FaceInFrame& face, size_t frame) {
  return std::abs(face.box.center().x - 260 - kSpeed * static_cast<double>(frame));
}
double from_the_one_before(const FaceInFrame& face, size_t frame) {
  return std::abs(face.box.center().x - 700 + kSpeed * static_cast<double>(frame));
}

// When two people cross, no face becomes the other one, no two faces lie in one place, and the one
// that is seen all the time is edited all the time.
TEST(FacePeople, CrossingFacesNeverSwapOrMerge) {
  constexpr size_t kCount = 38;
  for (const auto& [behind, before] : {std::pair("demo1", "demo2"), std::pair("demo2", "demo1")}) {
    SCOPED_TRACE(std::string(before) + " goes before " + behind);
    const auto footage = crossing(behind, before, kCount);
    const auto frames =
        follow(footage, {.select = FaceSelect::kAll, .resolution = 256}, footage.size());
    std::map<int64_t, bool> is_behind;
    for (size_t i = 0; i < frames.size(); ++i) {
      const auto& faces = frames[i].faces;
      ASSERT_LE(faces.size(), 2u) << "frame " << i;
      if (faces.size() == 2) {
        EXPECT_LE(face::overlap(faces[0].box, faces[1].box), face::kSameFaceOverlap);
      }
      bool edited = false;
      for (const auto& face : faces) {
        edited = edited || from_the_one_before(face, i) < 60;
        // In one place nobody can tell one from the other.
        if (std::abs(440 - 2 * kSpeed * static_cast<double>(i)) < 150) continue;
        const bool now = from_the_one_behind(face, i) < from_the_one_before(face, i);
        const auto [known, added] = is_behind.emplace(face.identity, now);
        EXPECT_EQ(known->second, now) << "identity " << face.identity << " in frame " << i;
      }
      EXPECT_TRUE(edited) << "frame " << i;
    }
    EXPECT_EQ(frames.front().faces.size(), 2u);
    EXPECT_EQ(frames.back().faces.size(), 2u);
    EXPECT_NE(is_behind.at(frames[0].faces[0].identity), is_behind.at(frames[0].faces[1].identity));
  }
}

// Nor do the tracks of two faces lie in one place where one of them slowly goes behind the other.
TEST(FacePeople, SlowlyHiddenFaceIsDropped) {
  for (const auto& [behind, before] : {std::pair("demo1", "demo2"), std::pair("demo2", "demo1")}) {
    SCOPED_TRACE(std::string(before) + " hides " + behind);
    Footage footage;
    for (size_t i = 0; i < 30; ++i) {
      auto frame = ground(720, 440);
      const double way = 4 * static_cast<double>(i);
      lay(frame, head(behind)[i], 240 + way, 220);
      lay(frame, head(before)[i], 480 - way, 220);
      footage.push_back(frame);
    }
    const auto frames = follow(footage, {.select = FaceSelect::kAll, .resolution = 256});
    EXPECT_EQ(frames.front().faces.size(), 2u);
    EXPECT_EQ(frames.back().faces.size(), 1u);
    for (size_t i = 0; i < frames.size(); ++i) {
      const auto& faces = frames[i].faces;
      if (faces.size() < 2) continue;
      EXPECT_LE(face::overlap(faces[0].box, faces[1].box), face::kSameFaceOverlap) << "frame " << i;
    }
  }
}

// Of two tracks that came to the same face, the one stays that the face looks like.
TEST(FacePeople, TwoTracksOfOneFaceBecomeOne) {
  const face::FollowSettings settings{.select = FaceSelect::kAll, .resolution = 256};
  face::FollowState one, other;
  follow({head("demo1")[0]}, settings, one);
  follow({head("demo2")[0]}, settings, other);
  for (const bool stranger_first : {true, false}) {
    auto state = one;
    auto stranger = one.faces.at(0);
    stranger.identity = 7;
    stranger.likeness = other.faces.at(0).likeness;
    state.faces.insert(stranger_first ? state.faces.begin() : state.faces.end(), stranger);
    const auto frames = follow({head("demo1")[1]}, settings, state);
    ASSERT_EQ(frames[0].faces.size(), 1u);
    EXPECT_EQ(frames[0].faces[0].identity, 0);
  }
}

// The largest face is one face in each frame, and each identity is one person.
TEST(FacePeople, CrossingFacesWithOneChosen) {
  const auto footage = crossing("demo2", "demo1", 38);
  const auto frames = follow(footage, {.resolution = 256}, footage.size());
  std::map<int64_t, bool> is_behind;
  for (size_t i = 0; i < frames.size(); ++i) {
    for (const auto& face : frames[i].faces) {
      if (std::abs(440 - 2 * kSpeed * static_cast<double>(i)) < 150) continue;
      const bool now = from_the_one_behind(face, i) < from_the_one_before(face, i);
      const auto known = is_behind.emplace(face.identity, now).first;
      EXPECT_EQ(known->second, now) << "identity " << face.identity << " in frame " << i;
    }
  }
}

// Demo1's head at the left, demo2's larger one at the right, and the one before again, halved.
Footage three_people(size_t count) {
  Footage footage;
  for (size_t i = 0; i < count; ++i) {
    const auto& person = head("demo1")[i];
    auto frame = ground(960, 440);
    lay(frame, person, 150, 220);
    lay(frame, head("demo2")[i], 800, 220);
    const auto small =
        face::TensorSampler(person).sample({{149.5, 199.5}, 300, 0}, 150, face::Outside::kEdge)[0];
    lay(frame, (small * 255).to(at::kByte), 470, 200);
    footage.push_back(frame);
  }
  return footage;
}

// Each way of choosing takes the face that it says, and keeps it.
TEST(FacePeople, Choices) {
  const auto footage = three_people(3);
  const auto chosen_x = [&](const face::FollowSettings& settings) {
    const auto frames = follow(footage, settings);
    EXPECT_EQ(weights(frames), std::vector<double>(footage.size(), 1.));
    EXPECT_EQ(frames.back().faces.at(0).identity, 0);
    return frames.back().faces.at(0).box.center().x;
  };
  EXPECT_NEAR(chosen_x({.select = FaceSelect::kLargest, .resolution = 256}), 800, 60);
  EXPECT_NEAR(chosen_x({.select = FaceSelect::kCenter, .resolution = 256}), 470, 40);
  const auto nearest = [](double x, double y) {
    return face::FollowSettings{
        .select = FaceSelect::kNearest, .nearest_x = x, .nearest_y = y, .resolution = 256};
  };
  EXPECT_NEAR(chosen_x(nearest(0.2, 0.5)), 150, 60);
  EXPECT_NEAR(chosen_x(nearest(1, 0)), 800, 60);
  EXPECT_NEAR(chosen_x(nearest(0.5, 0.5)), 470, 40);

  const auto frames = follow(footage, {.select = FaceSelect::kAll, .resolution = 256});
  std::vector<double> places;
  for (const auto& frame : frames) {
    ASSERT_EQ(frame.faces.size(), 3u);
    for (int64_t i = 0; i < 3; ++i) {
      EXPECT_EQ(frame.faces[static_cast<size_t>(i)].identity, i);
      EXPECT_EQ(frame.faces[static_cast<size_t>(i)].weight, 1);
    }
  }
  for (const auto& face : frames[0].faces) places.push_back(face.box.center().x);
  std::ranges::sort(places);
  EXPECT_NEAR(places[0], 150, 60);
  EXPECT_NEAR(places[1], 470, 40);
  EXPECT_NEAR(places[2], 800, 60);

  // Another choice is made at once, as at the beginning.
  face::FollowState state;
  follow(footage, nearest(0.2, 0.5), state);
  const auto moved = follow(footage, nearest(0.8, 0.5), state);
  EXPECT_NEAR(moved[0].faces.at(0).box.center().x, 800, 60);
  EXPECT_EQ(moved[0].faces.at(0).weight, 1);
}

// The chosen face is kept while another one of nearly its size is now smaller and now larger.
TEST(FacePeople, KeepsTheChosenFace) {
  const auto& person = head("demo1");
  Footage footage;
  for (size_t i = 0; i < 6; ++i) {
    auto frame = ground(720, 440);
    const double size = i % 2 == 0 ? 320 : 280;
    const auto other =
        face::TensorSampler(person[i]).sample({{149.5, 199.5}, size, 0}, 300, face::Outside::kEdge);
    lay(frame, (other[0] * 255).to(at::kByte), 540, 220);
    lay(frame, person[i], 160, 220);
    footage.push_back(frame);
  }
  const auto frames = follow(footage);
  for (const auto& frame : frames) {
    ASSERT_EQ(frame.faces.size(), 1u);
    EXPECT_EQ(frame.faces[0].identity, 0);
    EXPECT_NEAR(frame.faces[0].box.center().x, frames[0].faces[0].box.center().x, 40);
  }
}

// With all faces, one that appears is found within the interval, and its edit fades in; the one
// that was there keeps its number and its weight.
TEST(FacePeople, FindsANewFaceAmongAll) {
  const auto& person = head("demo1");
  Footage footage;
  for (size_t i = 0; i < 20; ++i) {
    auto frame = ground(720, 440);
    lay(frame, person[i], 160, 220);
    if (i >= 3) lay(frame, head("demo2")[i], 540, 220);
    footage.push_back(frame);
  }
  const auto frames = follow(footage, {.select = FaceSelect::kAll, .resolution = 256}, 20);
  for (size_t i = 0; i < frames.size(); ++i) {
    ASSERT_EQ(frames[i].faces.size(), i < face::kSearchInterval ? 1u : 2u) << i;
    EXPECT_EQ(frames[i].faces[0].identity, 0);
    EXPECT_EQ(frames[i].faces[0].weight, 1);
    if (i < face::kSearchInterval) continue;
    EXPECT_EQ(frames[i].faces[1].identity, 1);
    const auto frame_of_fade = static_cast<double>(i - face::kSearchInterval + 1);
    EXPECT_DOUBLE_EQ(frames[i].faces[1].weight, std::min(1., frame_of_fade * kStep));
  }
}

}  // namespace
}  // namespace latentsync::test
