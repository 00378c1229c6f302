#include "examples/train/measures.h"

#include "core/error.h"
#include "core/face/alignment.h"
#include "examples/train/render.h"
#include "kernels/warp_crop/warp_crop.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/avg_pool1d.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/tensor.h>

namespace latentsync::train {
namespace {

// FaceMesh's numbers.
constexpr size_t kUpperInner = 13, kLowerInner = 14, kForehead = 10, kChin = 152;
constexpr std::array<size_t, 40> kLips = {
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0,  267, 269, 270, 409,
    78, 95,  88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415};

double distance(const face::FaceLandmarks& mesh, size_t a, size_t b) {
  return std::hypot(mesh.points[a].x - mesh.points[b].x, mesh.points[a].y - mesh.points[b].y);
}

double height(const face::FaceLandmarks& mesh) { return distance(mesh, kForehead, kChin); }

std::vector<kernels::Affine> crop_to_frames(const std::vector<face::FaceLandmarks>& meshes,
                                            int64_t edge) {
  face::AlignmentState state;
  std::vector<kernels::Affine> maps;
  const auto size = face::aligned_size(edge);
  for (const auto& mesh : meshes) {
    const auto matrix = face::align(face::alignment_points(mesh), edge, &state);
    if (!matrix) throw Error(ErrorCode::kInvalidArgument, "a face without a size");
    const auto& m = *matrix;
    maps.push_back(kernels::crop_to_frame(
        {.xx = m[0][0], .xy = m[0][1], .x0 = m[0][2], .yx = m[1][0], .yy = m[1][1], .y0 = m[1][2]},
        static_cast<double>(size.width), static_cast<double>(size.height),
        static_cast<double>(edge), static_cast<double>(edge)));
  }
  return maps;
}

at::Tensor luma(const at::Tensor& crops) {  // [T, 3, h, w] -> [T, 1, h, w]
  return crops.narrow(1, 0, 1) * 0.2126 + crops.narrow(1, 1, 1) * 0.7152 +
         crops.narrow(1, 2, 1) * 0.0722;
}

at::Tensor generated(const at::Tensor& mask) { return (mask < 0.5).to(at::kFloat); }

}  // namespace

std::vector<face::FaceLandmarks> meshes_of(const at::Tensor& frames, const std::string& name,
                                           const face::FaceTracker& tracker) {
  std::optional<face::FaceTrack> track;
  const auto look = [&](const face::FrameSampler& frame) -> std::optional<face::TrackedFace> {
    if (track) {
      if (auto followed = tracker.follow(frame, *track)) return followed;
    }
    const auto found = tracker.search(frame);
    face::FaceTrack begun;
    auto mesh = found.empty() ? std::nullopt : tracker.begin(frame, found.front(), begun);
    if (mesh) track = begun;
    return mesh;
  };
  std::vector<face::FaceLandmarks> meshes;
  size_t missing = 0;  // in front of the first face
  for (int64_t i = 0; i < frames.size(0); ++i) {
    const auto found = look(face::TensorSampler(frames[i].permute({2, 0, 1})));
    if (found) {
      meshes.insert(meshes.end(), 1 + std::exchange(missing, 0), found->landmarks);
    } else if (meshes.empty()) {
      ++missing;
    } else {
      meshes.push_back(meshes.back());
    }
  }
  if (meshes.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "No face is found in " + name + ": leave it out of the set.");
  }
  return meshes;
}

at::Tensor openings(const std::vector<face::FaceLandmarks>& meshes) {
  std::vector<float> values;
  for (const auto& mesh : meshes) {
    values.push_back(static_cast<float>(distance(mesh, kUpperInner, kLowerInner) / height(mesh)));
  }
  const auto raw = at::tensor(values).view({1, 1, -1});
  return at::avg_pool1d(raw, {3}, {1}, {1}, false, /*count_include_pad=*/false).flatten();
}

double lip_jitter(const std::vector<face::FaceLandmarks>& meshes) {
  double sum = 0;
  int64_t count = 0;
  for (size_t i = 2; i < meshes.size(); ++i) {
    for (const auto point : kLips) {
      const auto& a = meshes[i - 2].points[point];
      const auto& b = meshes[i - 1].points[point];
      const auto& c = meshes[i].points[point];
      sum += std::hypot(a.x - 2 * b.x + c.x, a.y - 2 * b.y + c.y) / height(meshes[i]);
      ++count;
    }
  }
  return count > 0 ? sum / static_cast<double>(count) : 0;
}

at::Tensor aligned_crops(const at::Tensor& frames, const std::vector<face::FaceLandmarks>& meshes,
                         int64_t edge) {
  const auto maps = crop_to_frames(meshes, edge);
  const auto pixels = frames.contiguous();
  auto crops = at::empty({frames.size(0), 3, edge, edge}, at::kFloat);
  for (int64_t i = 0; i < frames.size(0); ++i) {
    kernels::warp_crop(view_of(pixels, i), maps[static_cast<size_t>(i)], kernels::ValueRange::kUnit,
                       crops[i]);
  }
  return crops;
}

at::Tensor lip_boxes(const std::vector<face::FaceLandmarks>& meshes, int64_t edge) {
  const auto maps = crop_to_frames(meshes, edge);
  std::vector<int64_t> values;
  for (size_t i = 0; i < meshes.size(); ++i) {
    const auto to_crop = kernels::inverse(maps[i]);
    double left = 1e9, top = 1e9, right = -1e9, bottom = -1e9;
    for (const auto point : kLips) {
      const auto& p = meshes[i].points[point];
      const double x = to_crop.xx * p.x + to_crop.xy * p.y + to_crop.x0;
      const double y = to_crop.yx * p.x + to_crop.yy * p.y + to_crop.y0;
      left = std::min(left, x);
      right = std::max(right, x);
      top = std::min(top, y);
      bottom = std::max(bottom, y);
    }
    const double wide = (right - left) / 4, high = (bottom - top) / 4;
    const auto within = [&](double v) {
      return std::clamp<int64_t>(static_cast<int64_t>(std::lround(v)), 0, edge - 1);
    };
    values.insert(values.end(), {within(left - wide), within(top - high), within(right + wide),
                                 within(bottom + high)});
  }
  return at::tensor(values, at::kLong).view({-1, 4});
}

double psnr_inside(const at::Tensor& a, const at::Tensor& b, const at::Tensor& mask) {
  const auto inside = generated(mask);
  const double error = ((a - b).square() * inside).sum().item<double>() /
                       (inside.sum().item<double>() * static_cast<double>(a.size(0) * a.size(1)));
  return error > 0 ? -10 * std::log10(error) : 99;
}

double ssim_inside(const at::Tensor& a, const at::Tensor& b, const at::Tensor& mask) {
  constexpr int64_t kReach = 5;
  constexpr double kDeviation = 1.5, kC1 = 0.01 * 0.01, kC2 = 0.03 * 0.03;
  auto line =
      (at::arange(-kReach, kReach + 1, at::kFloat).square() * (-0.5 / (kDeviation * kDeviation)))
          .exp();
  line = line / line.sum();
  const auto kernel = at::outer(line, line).unsqueeze(0).unsqueeze(0);
  const auto mean = [&](const at::Tensor& x) {
    return at::conv2d(x, kernel, {}, 1, at::IntArrayRef({kReach, kReach}));
  };
  const auto x = luma(a), y = luma(b);
  const auto mx = mean(x), my = mean(y);
  const auto vx = mean(x.square()) - mx.square();
  const auto vy = mean(y.square()) - my.square();
  const auto cov = mean(x * y) - mx * my;
  const auto map =
      (2 * mx * my + kC1) * (2 * cov + kC2) / ((mx.square() + my.square() + kC1) * (vx + vy + kC2));
  const auto inside = generated(mask);
  return (map * inside).sum().item<double>() /
         (inside.sum().item<double>() * static_cast<double>(a.size(0)));
}

double sharpness(const at::Tensor& crops, const at::Tensor& boxes) {
  const auto kernel = at::tensor({0.F, 1.F, 0.F, 1.F, -4.F, 1.F, 0.F, 1.F, 0.F}).view({1, 1, 3, 3});
  const auto edges = at::conv2d(luma(crops) * 255, kernel, {}, 1, at::IntArrayRef({1, 1}));
  const auto* box = boxes.const_data_ptr<int64_t>();
  double sum = 0;
  for (int64_t i = 0; i < crops.size(0); ++i, box += 4) {
    sum += edges[i][0]
               .slice(0, box[1], box[3] + 1)
               .slice(1, box[0], box[2] + 1)
               .var(/*unbiased=*/false)
               .item<double>();
  }
  return sum / static_cast<double>(crops.size(0));
}

double border_flicker(const at::Tensor& edited, const at::Tensor& original,
                      const at::Tensor& mask) {
  const auto inside = generated(mask).unsqueeze(0).unsqueeze(0);
  const auto grown = at::max_pool2d(inside, {5, 5}, {1, 1}, {2, 2});
  const auto shrunk = 1 - at::max_pool2d(1 - inside, {5, 5}, {1, 1}, {2, 2});
  const auto border = grown - shrunk;
  const auto change = edited - original;
  const auto count = change.size(0) - 1;
  const auto moved = (change.narrow(0, 1, count) - change.narrow(0, 0, count)).abs();
  return 255 * (moved * border).sum().item<double>() /
         (border.sum().item<double>() * 3 * static_cast<double>(count));
}

}  // namespace latentsync::train
