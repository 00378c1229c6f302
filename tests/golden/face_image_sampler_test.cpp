#include "core/face/face_networks.h"
#include "core/face/image_sampler.h"
#include "tests/support/compare.h"
#include "tests/support/models_dir.h"
#include "tests/support/pictures.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

Picture painted(const at::Tensor& picture, kernels::PixelFormat format) {
  const auto height = static_cast<int>(picture.size(1));
  const auto width = static_cast<int>(picture.size(2));
  const auto pixels = picture.accessor<float, 3>();
  return paint({.format = format, .width = width, .height = height}, [&](double x, double y) {
    const auto column = std::clamp(static_cast<int>(std::lround(x)), 0, width - 1);
    const auto row = std::clamp(static_cast<int>(std::lround(y)), 0, height - 1);
    return Rgb{pixels[0][row][column], pixels[1][row][column], pixels[2][row][column]};
  });
}

// The mean distance of two meshes.
double distance(const face::FaceLandmarks& a, const face::FaceLandmarks& b) {
  double sum = 0;
  for (size_t i = 0; i < a.points.size(); ++i) {
    sum += std::hypot(a.points[i].x - b.points[i].x, a.points[i].y - b.points[i].y);
  }
  return sum / static_cast<double>(a.points.size());
}

// The first face of a frame, and the same once more as the track has it.
std::vector<face::TrackedFace> detect_and_follow(const face::FaceTracker& tracker,
                                                 const face::FrameSampler& frame) {
  face::FaceTrack track;
  std::vector<face::TrackedFace> faces;
  const auto detections = tracker.search(frame);
  if (detections.empty()) return faces;
  if (const auto face = tracker.begin(frame, detections[0], track)) faces.push_back(*face);
  if (const auto face = tracker.follow(frame, track)) faces.push_back(*face);
  return faces;
}

// A face is detected and followed to the same points in a frame of any format as in the RGB
// tensor: for faces of the networks' own size and for such as must be made much smaller.
TEST(GoldenFaceImageSampler, FindsTheSameLandmarksInEveryFormat) {
  const auto tracker = face::load_face_tracker(test::models_dir() / "face", test_device());
  const auto pictures = golden_face_pictures();
  ASSERT_FALSE(pictures.empty());
  for (const int64_t times : {1, 3}) {
    const auto picture =
        at::upsample_bilinear2d(pictures[0].cpu().unsqueeze(0),
                                {times * pictures[0].size(1), times * pictures[0].size(2)},
                                /*align_corners=*/false)[0]
            .contiguous();
    const auto expected =
        detect_and_follow(tracker, face::TensorSampler(picture.to(test_device())));
    ASSERT_EQ(expected.size(), 2u);
    const std::vector<kernels::PixelFormat> large = {kernels::PixelFormat::kNv12,
                                                     kernels::PixelFormat::kRgb};
    for (const auto format : times == 1 ? all_formats() : large) {
      const auto frame = painted(picture, format);
      const auto faces = detect_and_follow(tracker, face::ImageSampler(frame.view, test_device()));
      ASSERT_EQ(faces.size(), 2u) << static_cast<int>(format);
      for (size_t i = 0; i < 2; ++i) {
        EXPECT_LT(distance(faces[i].landmarks, expected[i].landmarks),
                  0.005 * expected[i].box.height)
            << static_cast<int>(format);
      }
    }
  }
}

}  // namespace
}  // namespace latentsync::test
