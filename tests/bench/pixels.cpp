// Times warp_crop and paste_back in megapixels (of the crop) a second, beside OpenCV's warpAffine
// where the build has it, and writes JSON to standard output.
//
//     pixel-bench [SECONDS]      for each figure (1)
//
// The frame is 1920x1080 with a face of 300 pixels, turned by a few degrees; the crop is 256x256
// and 512x512. OpenCV warps an RGB frame with INTER_CUBIC to 8-bit RGB alone: no conversion from
// the frame's format, no antialiasing, no conversion to float.
#include "core/face/image_sampler.h"
#include "kernels/paste_back/paste_back.h"
#include "kernels/warp_crop/warp_crop.h"
#include "tests/support/pictures.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <nlohmann/json.hpp>
#ifdef LATENTSYNC_HAVE_OPENCV
#include <opencv2/imgproc.hpp>
#endif

namespace latentsync {
namespace {

using kernels::Affine;
using kernels::PixelFormat;
using kernels::ValueRange;

// Seconds of one run: the median of as many as fit into the time, at least five.
double seconds_of(const std::function<void()>& run, double budget) {
  using Clock = std::chrono::steady_clock;
  run();
  std::vector<double> times;
  double total = 0;
  while (times.size() < 5 || total < budget) {
    const auto begin = Clock::now();
    run();
    times.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    total += times.back();
  }
  std::nth_element(times.begin(), times.begin() + static_cast<long>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

Affine face_map(int64_t edge) {
  const double scale = 300.0 / static_cast<double>(edge);
  const double angle = 0.1;
  return {.xx = scale * std::cos(angle),
          .xy = -scale * std::sin(angle),
          .x0 = 800,
          .yx = scale * std::sin(angle),
          .yy = scale * std::cos(angle),
          .y0 = 300};
}

nlohmann::json entry(const std::string& what, int64_t edge, double seconds) {
  return {{"what", what},
          {"edge", edge},
          {"milliseconds", seconds * 1e3},
          {"megapixels_per_second", static_cast<double>(edge * edge) / seconds / 1e6}};
}

void time_format(const std::string& name, PixelFormat format, int64_t edge, double budget,
                 nlohmann::json& out) {
  const auto picture =
      test::paint({.format = format, .width = 1920, .height = 1080}, test::smooth_color);
  const auto map = face_map(edge);
  const auto crop = at::empty({3, edge, edge}, at::kFloat);
  const auto mask = kernels::soft_mask(map, edge, edge);
  out.push_back(
      entry("warp_crop " + name, edge,
            seconds_of([&] { kernels::warp_crop(picture.view, map, ValueRange::kSigned, crop); },
                       budget)));
  out.push_back(entry(
      "paste_back " + name, edge,
      seconds_of([&] { kernels::paste_back(crop, ValueRange::kSigned, mask, map, picture.view); },
                 budget)));
}

// What the face networks look at: a face of 1000 pixels, and a whole upright frame.
void time_views(const std::string& name, PixelFormat format, double budget, nlohmann::json& out) {
  const auto picture =
      test::paint({.format = format, .width = 1080, .height = 1920}, test::smooth_color);
  const face::ImageSampler sampler(picture.view, at::kCPU);
  const auto time = [&](const std::string& what, const face::RotatedSquare& square, int64_t edge,
                        face::Outside outside) {
    out.push_back(entry(what + " " + name, edge,
                        seconds_of([&] { sampler.sample(square, edge, outside); }, budget)));
  };
  time("view of 1000 pixels", {{540, 900}, 1000, 0.1}, 192, face::Outside::kEdge);
  time("view of the frame", {{539.5, 959.5}, 1920, 0}, 128, face::Outside::kBlack);
}

#ifdef LATENTSYNC_HAVE_OPENCV
void time_opencv(int64_t edge, double budget, nlohmann::json& out) {
  const auto picture =
      test::paint({.format = PixelFormat::kRgb, .width = 1920, .height = 1080}, test::smooth_color);
  const cv::Mat frame(1080, 1920, CV_8UC3, picture.view.planes[0].data,
                      static_cast<size_t>(picture.view.planes[0].stride));
  const auto map = face_map(edge);
  const cv::Mat matrix = (cv::Mat_<double>(2, 3) << map.xx, map.xy, map.x0, map.yx, map.yy, map.y0);
  cv::Mat crop;
  const int size = static_cast<int>(edge);
  cv::setNumThreads(at::get_num_threads());
  out.push_back(entry("OpenCV warpAffine RGB to crop", edge,
                      seconds_of(
                          [&] {
                            cv::warpAffine(frame, crop, matrix, {size, size},
                                           cv::INTER_CUBIC | cv::WARP_INVERSE_MAP,
                                           cv::BORDER_CONSTANT, cv::Scalar::all(127));
                          },
                          budget)));
}
#endif

}  // namespace
}  // namespace latentsync

int main(int count, char** arguments) {
  using namespace latentsync;
  const double budget = count > 1 ? std::atof(arguments[1]) : 1;
  nlohmann::json results = nlohmann::json::array();
  time_views("NV12", kernels::PixelFormat::kNv12, budget, results);
  time_views("P010", kernels::PixelFormat::kP010, budget, results);
  time_views("RGB", kernels::PixelFormat::kRgb, budget, results);
  for (const int64_t edge : {256, 512}) {
    time_format("NV12", kernels::PixelFormat::kNv12, edge, budget, results);
    time_format("I420", kernels::PixelFormat::kI420, edge, budget, results);
    time_format("P010", kernels::PixelFormat::kP010, edge, budget, results);
    time_format("RGB", kernels::PixelFormat::kRgb, edge, budget, results);
#ifdef LATENTSYNC_HAVE_OPENCV
    time_opencv(edge, budget, results);
#endif
  }
  std::cout << nlohmann::json{{"threads", at::get_num_threads()}, {"results", results}}.dump(2)
            << '\n';
}
