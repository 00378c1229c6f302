#include "core/face/alignment.h"

#include "tests/support/compare.h"
#include "tests/support/golden.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

const Tolerance kTranslation{.max_abs = 2e-3};
const Tolerance kLinear{.max_abs = 1e-5};
const Tolerance kOffset{.max_abs = 1e-5};

// Everything the alignment gives for a clip, frame by frame.
struct Aligned {
  at::Tensor points;    // [F, 3, 2]
  at::Tensor matrices;  // [F, 2, 3]
  at::Tensor offsets;   // [F, 2]
};

face::FaceLandmarks landmarks_of(const at::Tensor& frame) {
  face::FaceLandmarks landmarks;
  const auto values = frame.to(at::kDouble);
  const auto access = values.accessor<double, 2>();
  for (size_t i = 0; i < landmarks.points.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    landmarks.points[i] = {access[row][0], access[row][1], 0};
  }
  return landmarks;
}

Aligned align_clip(const at::Tensor& meshes, int64_t resolution, bool smooth) {
  const auto frames = meshes.size(0);
  Aligned result{at::empty({frames, 3, 2}, at::kDouble), at::empty({frames, 2, 3}, at::kDouble),
                 at::empty({frames, 2}, at::kDouble)};
  face::AlignmentState state;
  for (int64_t frame = 0; frame < frames; ++frame) {
    const auto points = face::alignment_points(landmarks_of(meshes[frame]));
    const auto matrix = face::align(points, resolution, smooth ? &state : nullptr);
    for (int64_t i = 0; i < 3; ++i) {
      result.points[frame][i][0] = points[static_cast<size_t>(i)].x;
      result.points[frame][i][1] = points[static_cast<size_t>(i)].y;
      for (int64_t row = 0; row < 2; ++row) {
        result.matrices[frame][row][i] =
            matrix.value()[static_cast<size_t>(row)][static_cast<size_t>(i)];
      }
    }
    if (smooth) {
      result.offsets[frame][0] = state.offset->x;
      result.offsets[frame][1] = state.offset->y;
    }
  }
  return result;
}

void expect_matrices(const at::Tensor& actual, const at::Tensor& expected) {
  EXPECT_TRUE(close(actual.narrow(2, 0, 2), expected.narrow(2, 0, 2), kLinear));
  EXPECT_TRUE(close(actual.narrow(2, 2, 1), expected.narrow(2, 2, 1), kTranslation));
}

class GoldenAlignment : public testing::Test {
 protected:
  // The resolutions that the file has SUFFIX for: "r256.matrices" -> 256.
  std::vector<int64_t> resolutions(const std::string& suffix) const {
    std::vector<int64_t> found;
    for (const auto& [name, tensor] : file_.tensors) {
      if (name.starts_with("r") && name.ends_with(suffix))
        found.push_back(std::stoll(name.substr(1)));
    }
    return found;
  }
  const at::Tensor& expected(int64_t resolution, const std::string& suffix) const {
    return file_.tensors.at(std::string(1, 'r').append(std::to_string(resolution)).append(suffix));
  }

  model::TensorFile file_ = golden("affine/affine.safetensors");
  at::Tensor meshes_ = file_.tensors.at("landmarks_478_px");
};

// The three points, rounded as the reference rounds them, are exactly those it aligned on.
TEST_F(GoldenAlignment, PointsEqualTheReference) {
  const auto expected = file_.tensors.at("landmarks3");
  const auto points = align_clip(meshes_, 256, false).points;
  EXPECT_EQ(difference(points, expected).max_abs, 0);
}

// Matrices and smoothing state of every frame equal the reference's, at each resolution.
TEST_F(GoldenAlignment, SmoothedMatricesEqualTheReference) {
  const auto found = resolutions(".matrices");
  ASSERT_FALSE(found.empty());
  for (const auto resolution : found) {
    SCOPED_TRACE(resolution);
    const auto clip = align_clip(meshes_, resolution, true);
    expect_matrices(clip.matrices, expected(resolution, ".matrices"));
    EXPECT_TRUE(close(clip.offsets, expected(resolution, ".p_bias"), kOffset));
  }
}

// Without a state nothing is smoothed.
TEST_F(GoldenAlignment, UnsmoothedMatricesEqualTheReference) {
  const auto found = resolutions(".matrices_no_smooth");
  ASSERT_FALSE(found.empty());
  for (const auto resolution : found) {
    SCOPED_TRACE(resolution);
    expect_matrices(align_clip(meshes_, resolution, false).matrices,
                    expected(resolution, ".matrices_no_smooth"));
  }
}

}  // namespace
}  // namespace latentsync::test
