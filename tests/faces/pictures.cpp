#include "core/face/face_networks.h"
#include "core/face/follow.h"
#include "kernels/image/affine.h"
#include "kernels/paste_back/paste_back.h"
#include "kernels/warp_crop/warp_crop.h"
#include "tests/support/models_dir.h"
#include "tests/support/video.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <png.h>
#include <stdexcept>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>

/// Draws the pictures of docs/faces.md: face-pictures FOLDER. The way of one frame of demo1: what
/// is found, the crop, the mask, the crop pasted back with a change that shows the mask, and what
/// differs from the frame.
namespace latentsync::test {
namespace {

constexpr int64_t kFrame = 12;
constexpr int64_t kResolution = 256;
constexpr int64_t kPanel = 196;
constexpr double kContext = 1.9;  // of the face's box in a panel
constexpr double kGain = 4;       // of the difference
constexpr int64_t kGap = 4;

kernels::Affine to_affine(const face::AffineMatrix& m) {
  return {m[0][0], m[0][1], m[0][2], m[1][0], m[1][1], m[1][2]};
}

// A square part of the frame, [3, kPanel, kPanel] in [0, 1].
at::Tensor part_of(const kernels::ImageView& frame, face::Point middle, double size) {
  const double scale = size / static_cast<double>(kPanel);
  auto panel = at::empty({3, kPanel, kPanel}, at::kFloat);
  kernels::warp_crop(
      frame, {scale, 0, middle.x - size / 2 + scale / 2, 0, scale, middle.y - size / 2 + scale / 2},
      kernels::ValueRange::kUnit, panel);
  return panel;
}

at::Tensor fitted(const at::Tensor& picture) {
  const auto edge = static_cast<double>(picture.size(2));
  return face::TensorSampler(picture.contiguous())
      .sample({{(edge - 1) / 2, (edge - 1) / 2}, edge, 0}, kPanel, face::Outside::kEdge)[0];
}

void dot(const at::Tensor& panel, double x, double y, const std::vector<double>& color,
         int64_t size) {
  const auto left = std::lround(x) - size / 2, top = std::lround(y) - size / 2;
  if (left < 0 || top < 0 || left + size > kPanel || top + size > kPanel) return;
  for (int64_t c = 0; c < 3; ++c) {
    panel[c].narrow(0, top, size).narrow(1, left, size).fill_(color[static_cast<size_t>(c)]);
  }
}

// The mesh, the three points of the alignment and the box.
at::Tensor draw_found(at::Tensor panel, const face::TrackedFace& face, face::Point middle,
                      double size) {
  const auto place = [&](double value, double center) {
    return (value - center + size / 2) / size * static_cast<double>(kPanel) - 0.5;
  };
  for (const auto& point : face.landmarks.points) {
    dot(panel, place(point.x, middle.x), place(point.y, middle.y), {0.3, 1, 0.5}, 1);
  }
  for (const auto& point : face::alignment_points(face.landmarks)) {
    dot(panel, place(point.x, middle.x), place(point.y, middle.y), {1, 0.2, 0.1}, 5);
  }
  for (double t = 0; t <= 1; t += 0.004) {
    const auto& box = face.box;
    const double x = place(box.left + t * box.width, middle.x);
    const double y = place(box.top + t * box.height, middle.y);
    for (const double edge : {0., 1.}) {
      dot(panel, x, place(box.top + edge * box.height, middle.y), {1, 0.9, 0.2}, 1);
      dot(panel, place(box.left + edge * box.width, middle.x), y, {1, 0.9, 0.2}, 1);
    }
  }
  return panel;
}

void write_png(const std::filesystem::path& path, const at::Tensor& picture) {
  const auto bytes =
      (picture.clamp(0, 1) * 255).round().to(at::kByte).permute({1, 2, 0}).contiguous();
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.size(2));
  image.height = static_cast<png_uint_32>(picture.size(1));
  image.format = PNG_FORMAT_RGB;
  if (!png_image_write_to_file(&image, path.c_str(), 0, bytes.const_data_ptr(), 0, nullptr)) {
    throw std::runtime_error(path.string() + ": " + image.message);
  }
}

void draw(const std::filesystem::path& folder) {
  const auto tracker = face::load_face_tracker(test::models_dir() / "face");
  const auto path = clip("demo1");
  const auto before = read_video(path, kernels::PixelFormat::kI420, kFrame, 1).at(0);
  const auto after = read_video(path, kernels::PixelFormat::kI420, kFrame, 1).at(0);
  const auto rgb = colors(read_video(path, kernels::PixelFormat::kRgb, kFrame, 1).at(0)).clone();

  const face::TensorSampler frame(rgb);
  face::FaceTrack track;
  const auto face = tracker.begin(frame, tracker.search(frame).at(0), track).value();
  face::FollowState state;
  const face::FrameSampler* frames[] = {&frame};
  const auto found = face::FaceFollower(tracker)
                         .follow(frames, {.resolution = kResolution}, state)
                         .at(0)
                         .faces.at(0);

  const auto aligned = face::aligned_size(kResolution);
  const auto crop_to_frame =
      kernels::crop_to_frame(to_affine(found.matrix), static_cast<double>(aligned.width),
                             static_cast<double>(aligned.height), kResolution, kResolution);
  auto crop = at::empty({3, kResolution, kResolution}, at::kFloat);
  kernels::warp_crop(before.view, crop_to_frame, kernels::ValueRange::kUnit, crop);
  const auto mask = kernels::soft_mask(crop_to_frame, kResolution, kResolution);

  // Redder and darker to the bottom: a change that is seen all over the mask.
  auto changed = crop.clone();
  const auto down = at::linspace(1, 0.4, kResolution).unsqueeze(1);
  changed[0] = changed[0] * 0.4 + 0.6;
  changed.narrow(0, 1, 2).mul_(down);
  kernels::paste_back(changed, kernels::ValueRange::kUnit, mask, crop_to_frame, after.view);

  const auto middle = found.box.center();
  const double size = kContext * std::max(found.box.width, found.box.height);
  const auto was = part_of(before.view, middle, size);
  const auto is = part_of(after.view, middle, size);
  const auto gap = at::full({3, kPanel, kGap}, 1.f);
  write_png(folder / "way-of-a-frame.png",
            at::cat({draw_found(was.clone(), face, middle, size), gap, fitted(crop), gap,
                     fitted(mask.expand({3, kResolution, kResolution})), gap, is, gap,
                     (is - was).abs() * kGain},
                    2));
}

}  // namespace
}  // namespace latentsync::test

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: face-pictures FOLDER\n");
    return 2;
  }
  try {
    latentsync::test::draw(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "face-pictures: %s\n", error.what());
    return 1;
  }
  return 0;
}
