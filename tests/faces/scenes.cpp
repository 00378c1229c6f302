#include "tests/faces/scenes.h"

#include "core/face/face_networks.h"
#include "tests/support/compare.h"
#include "tests/support/models_dir.h"
#include "tests/support/video.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>

#include <ATen/Parallel.h>
#include <ATen/ops/full.h>

namespace latentsync::test {
namespace {

constexpr int64_t kHeadHeight = 400;
constexpr int64_t kHeadWidth = 300;
constexpr size_t kHeads = 56;

Footage cut_out(const std::string& name, size_t count) {
  Footage footage;
  int64_t left = 0, top = 0;
  VideoReader reader(clip(name), kernels::PixelFormat::kRgb);
  while (footage.size() < count) {
    const auto frame = reader.next();
    if (!frame) throw std::runtime_error(name + " is shorter than the test needs");
    const auto picture = colors(*frame);
    if (footage.empty()) {
      face::FollowState state;
      const auto found = follow({picture}, {.resolution = 256}, state).at(0).faces.at(0);
      const auto middle = found.box.center();
      left = std::lround(middle.x) - kHeadWidth / 2;
      top = std::lround(middle.y) - kHeadHeight / 2;
    }
    footage.push_back(picture.narrow(2, left, kHeadWidth).narrow(1, top, kHeadHeight).contiguous());
  }
  return footage;
}

}  // namespace

const Footage& head(const std::string& clip) {
  static std::map<std::string, Footage> heads;
  auto& footage = heads[clip];
  if (footage.empty()) footage = cut_out(clip, kHeads);
  return footage;
}

at::Tensor ground(int64_t width, int64_t height) {
  return at::full({3, height, width}, 110, at::kByte);
}

void lay(const at::Tensor& frame, const at::Tensor& picture, double x, double y) {
  const auto left = std::lround(x) - picture.size(2) / 2;
  const auto top = std::lround(y) - picture.size(1) / 2;
  const auto from_x = std::max<int64_t>(0, -left), from_y = std::max<int64_t>(0, -top);
  const auto to_x = std::min(picture.size(2), frame.size(2) - left);
  const auto to_y = std::min(picture.size(1), frame.size(1) - top);
  if (to_x <= from_x || to_y <= from_y) return;
  const auto part = picture.slice(2, from_x, to_x).slice(1, from_y, to_y);
  frame.narrow(2, left + from_x, part.size(2)).narrow(1, top + from_y, part.size(1)).copy_(part);
}

const face::FaceTracker& tracker() {
  static const auto loaded = [] {
    // These networks are too small to gain by threads, and lose by them on a busy machine.
    at::set_num_threads(1);
    return face::load_face_tracker(test::models_dir() / "face", test_device());
  }();
  return loaded;
}

std::vector<face::FrameFaces> follow(const Footage& footage, const face::FollowSettings& settings,
                                     face::FollowState& state, size_t window) {
  static const face::FaceFollower follower(tracker());
  std::vector<std::unique_ptr<face::TensorSampler>> samplers;
  std::vector<const face::FrameSampler*> frames;
  for (const auto& frame : footage) {
    samplers.push_back(std::make_unique<face::TensorSampler>(frame.to(test_device())));
    frames.push_back(samplers.back().get());
  }
  std::vector<face::FrameFaces> result;
  for (size_t begin = 0; begin < frames.size(); begin += window) {
    const auto part = std::span(frames).subspan(begin, std::min(window, frames.size() - begin));
    std::ranges::move(follower.follow(part, settings, state), std::back_inserter(result));
  }
  return result;
}

std::vector<face::FrameFaces> follow(const Footage& footage, const face::FollowSettings& settings,
                                     size_t window) {
  face::FollowState state;
  return follow(footage, settings, state, window);
}

std::vector<double> weights(const std::vector<face::FrameFaces>& frames) {
  std::vector<double> values;
  for (const auto& frame : frames) {
    if (frame.faces.size() > 1) throw std::runtime_error("a frame has several faces");
    values.push_back(frame.faces.empty() ? 0 : frame.faces[0].weight);
  }
  return values;
}

}  // namespace latentsync::test
