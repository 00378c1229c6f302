#include "core/face/image_sampler.h"
#include "tests/faces/scenes.h"
#include "tests/support/compare.h"

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

using face::FollowState;
using face::FrameFaces;

constexpr size_t kWindow = 16;

// What a follower finds, and what it leaves to the next window.
struct Followed {
  std::vector<FrameFaces> frames;
  FollowState state;
};

// FOOTAGE as the engine has it: frames of packed pixels in system memory.
Followed follow_ahead(const Footage& footage, FaceSelect select, size_t frames_ahead) {
  const face::FaceFollower follower(tracker(), frames_ahead);
  std::vector<at::Tensor> pixels;
  std::vector<face::ImageSampler> samplers;
  for (const auto& frame : footage) {
    pixels.push_back(frame.permute({1, 2, 0}).contiguous());
    const auto width = static_cast<int>(frame.size(2));
    const kernels::ImagePlane plane{pixels.back().mutable_data_ptr<uint8_t>(), 3 * width};
    samplers.emplace_back(
        kernels::make_image(kernels::PixelFormat::kRgb, width, static_cast<int>(frame.size(1)),
                            {plane}, kernels::ColorMatrix::kBt709, kernels::ColorRange::kFull),
        test_device());
  }
  std::vector<const face::FrameSampler*> frames;
  for (const auto& sampler : samplers) frames.push_back(&sampler);
  Followed followed;
  for (size_t begin = 0; begin < frames.size(); begin += kWindow) {
    const auto part = std::span(frames).subspan(begin, std::min(kWindow, frames.size() - begin));
    std::ranges::move(follower.follow(part, {.select = select, .resolution = 256}, followed.state),
                      std::back_inserter(followed.frames));
  }
  return followed;
}

bool same(const face::Box& a, const face::Box& b) {
  return a.left == b.left && a.top == b.top && a.width == b.width && a.height == b.height;
}

// Equal to the last bit.
bool same(const FrameFaces& a, const FrameFaces& b) {
  if (a.refused.has_value() != b.refused.has_value()) return false;
  if (a.refused &&
      !(same(a.refused->box, b.refused->box) && a.refused->confidence == b.refused->confidence)) {
    return false;
  }
  return std::ranges::equal(
      a.faces, b.faces, [](const face::FaceInFrame& x, const face::FaceInFrame& y) {
        return x.identity == y.identity && x.matrix == y.matrix && same(x.box, y.box) &&
               x.confidence == y.confidence && x.weight == y.weight;
      });
}

bool same(const FollowState& a, const FollowState& b) {
  return a.identities == b.identities && a.since_search == b.since_search &&
         a.scene.equal(b.scene) &&
         std::ranges::equal(a.faces, b.faces,
                            [](const face::FollowedFace& x, const face::FollowedFace& y) {
                              return x.identity == y.identity && x.track.region == y.track.region &&
                                     x.track.appearance.equal(y.track.appearance) &&
                                     x.likeness.equal(y.likeness) && x.faded_in == y.faded_in;
                            });
}

Footage footage_of(size_t count, const std::function<void(const at::Tensor&, size_t)>& draw) {
  Footage footage;
  for (size_t i = 0; i < count; ++i) {
    footage.push_back(ground(700, 440));
    draw(footage.back(), i);
  }
  return footage;
}

// A face that goes out of the picture and comes back.
Footage leaving() {
  return footage_of(24, [](const at::Tensor& frame, size_t i) {
    const double away = std::max(0., 12 - std::abs(static_cast<double>(i) - 13));
    lay(frame, head("demo1")[i], 350 + 40 * away, 220);
  });
}

// A cut to another person in the middle of a window, and to a black picture and back.
Footage cuts() {
  auto footage = footage_of(22, [](const at::Tensor& frame, size_t i) {
    lay(frame, head(i < 6 ? "demo1" : "demo2")[i], 350, 220);
  });
  for (const size_t i : {12, 13, 18}) footage[i].zero_();
  return footage;
}

// Two people, of whom one comes later, passes before the other one and goes.
Footage two_people() {
  return footage_of(24, [](const at::Tensor& frame, size_t i) {
    lay(frame, head("demo1")[i], 180, 220);
    if (i >= 3) lay(frame, head("demo2")[i], 860 - 45 * static_cast<double>(i), 220);
  });
}

// A device looks at a window's frames together before anything is decided: whatever happens to the
// faces, that changes no bit of what is found, and none of what the next window enters with.
TEST(FacesAhead, LookingAheadChangesNothing) {
  for (const auto& [name, footage] : {std::pair("leaving", leaving()), std::pair("cuts", cuts()),
                                      std::pair("two people", two_people())}) {
    for (const auto select : {FaceSelect::kLargest, FaceSelect::kAll}) {
      const auto expected = follow_ahead(footage, select, 1);
      for (const size_t ahead : {3u, 24u}) {
        SCOPED_TRACE(std::string(name) + ", " + std::to_string(ahead) + " frames ahead");
        const auto found = follow_ahead(footage, select, ahead);
        ASSERT_EQ(found.frames.size(), expected.frames.size());
        for (size_t i = 0; i < found.frames.size(); ++i) {
          EXPECT_TRUE(same(found.frames[i], expected.frames[i])) << "frame " << i;
        }
        EXPECT_TRUE(same(found.state, expected.state));
      }
    }
  }
}

// The test above says something: its footage has frames with a face, without one and with two, and
// faces that are lost in the middle of a window.
TEST(FacesAhead, TheFootageHasItAll) {
  const auto count = [](const Followed& followed, size_t faces) {
    return std::ranges::count(followed.frames, faces,
                              [](const FrameFaces& frame) { return frame.faces.size(); });
  };
  const auto left = follow_ahead(leaving(), FaceSelect::kLargest, 1);
  EXPECT_GE(count(left, 0), 2);
  EXPECT_GE(count(left, 1), 12);
  const auto people = follow_ahead(two_people(), FaceSelect::kAll, 1);
  EXPECT_GE(count(people, 2), 3);
  EXPECT_GE(count(people, 1), 4);
  EXPECT_GE(people.state.identities, 2);
  EXPECT_GE(follow_ahead(cuts(), FaceSelect::kLargest, 1).state.identities, 3);
}

}  // namespace
}  // namespace latentsync::test
