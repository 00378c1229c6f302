// Times warp_crop and paste_back in megapixels (of the crop) a second on one thread, for every
// format, beside OpenCV doing the same where the build has it, and writes a table to standard
// output.
//
//     pixel-bench [ROUNDS]      (30)
//
// The frame is 1920x1080 with a face of 300 pixels, turned by a few degrees; the crop is 256x256
// and 512x512. In each round everything runs once, by turns; the figures are medians of the
// thread's processor time, so that other work on the machine counts less.
//
// OpenCV, to the crop: warpAffine with INTER_CUBIC of the RGB frame to 8-bit RGB, without
// antialiasing and conversion to float. Back: warpAffine of the 8-bit face and of the mask into
// the face's part of the frame, blending in float, conversion to bytes. For YUV formats that
// cvtColor knows, that part of the frame is converted to RGB before and, for the way back, after.
#include "core/face/image_sampler.h"
#include "kernels/paste_back/paste_back.h"
#include "kernels/warp_crop/warp_crop.h"
#include "tests/bench/timing.h"
#include "tests/support/pictures.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#ifdef LATENTSYNC_HAVE_OPENCV
#include <opencv2/imgproc.hpp>
#endif

namespace latentsync {
namespace {

using bench::Task;
using kernels::Affine;
using kernels::PixelFormat;
using kernels::ValueRange;

constexpr int kWidth = 1920;
constexpr int kHeight = 1080;
constexpr double kFace = 300;

struct Format {
  const char* name;
  PixelFormat format;
};
constexpr Format kFormats[] = {
    {"NV12", PixelFormat::kNv12},         {"I420", PixelFormat::kI420},
    {"P010", PixelFormat::kP010},         {"Y42B", PixelFormat::kY42b},
    {"Y444", PixelFormat::kY444},         {"YUY2", PixelFormat::kYuy2},
    {"RGB", PixelFormat::kRgb},           {"BGR", PixelFormat::kBgr},
    {"RGBA", PixelFormat::kRgba},         {"BGRA", PixelFormat::kBgra},
    {"RGBx", PixelFormat::kRgbx},         {"BGRx", PixelFormat::kBgrx},
    {"ARGB", PixelFormat::kArgb},         {"ABGR", PixelFormat::kAbgr},
    {"UYVY", PixelFormat::kUyvy},         {"v210", PixelFormat::kV210},
    {"I420_10LE", PixelFormat::kI420Ten}, {"I422_10LE", PixelFormat::kI422Ten},
    {"Y444_10LE", PixelFormat::kY444Ten}, {"GBR", PixelFormat::kGbr},
    {"GBR_10LE", PixelFormat::kGbrTen}};

Affine face_map(int64_t edge) {
  const double scale = kFace / static_cast<double>(edge);
  const double angle = 0.1;
  return {.xx = scale * std::cos(angle),
          .xy = -scale * std::sin(angle),
          .x0 = 800,
          .yx = scale * std::sin(angle),
          .yy = scale * std::cos(angle),
          .y0 = 300};
}

#ifdef LATENTSYNC_HAVE_OPENCV
// The part of the frame that the face lies in, with even edges.
const cv::Rect kPart(768, 298, 336, 334);

class OpenCv {
 public:
  OpenCv(const kernels::ImageView& view, int64_t edge) : view_(view) {
    const auto map = face_map(edge);
    to_part_ = (cv::Mat_<double>(2, 3) << map.xx, map.xy, map.x0 - kPart.x, map.yx, map.yy,
                map.y0 - kPart.y);
    size_ = {static_cast<int>(edge), static_cast<int>(edge)};
    face_ = cv::Mat(size_, CV_8UC3, cv::Scalar(90, 120, 150));
    const auto mask = kernels::soft_mask(map, edge, edge);
    mask_ = cv::Mat(size_, CV_32FC1, mask.mutable_data_ptr<float>()).clone();
  }

  bool knows() const {
    switch (view_.format) {
      case PixelFormat::kNv12:
      case PixelFormat::kYuy2:
      case PixelFormat::kY444:
      case PixelFormat::kRgb:
      case PixelFormat::kBgr:
      case PixelFormat::kRgba:
      case PixelFormat::kBgra:
      case PixelFormat::kRgbx:
      case PixelFormat::kBgrx:
        return true;
      default:  // of I420 only whole frames, the planes behind each other
        return false;
    }
  }

  void to_crop() {
    cv::warpAffine(read_part(), crop_, to_part_, size_, cv::INTER_CUBIC | cv::WARP_INVERSE_MAP,
                   cv::BORDER_CONSTANT, cv::Scalar::all(127));
  }

  void back() {
    const auto part = read_part();
    cv::warpAffine(face_of(part.channels()), warped_, to_part_, part.size(), cv::INTER_CUBIC,
                   cv::BORDER_REPLICATE);
    cv::warpAffine(mask_, weight_, to_part_, part.size(), cv::INTER_LINEAR);
    const std::vector<cv::Mat> all(part.channels(), weight_);
    cv::merge(all, weights_);
    part.convertTo(old_, CV_32F);
    warped_.convertTo(new_, CV_32F);
    cv::subtract(new_, old_, new_);
    cv::multiply(new_, weights_, new_);
    cv::add(old_, new_, old_);
    old_.convertTo(blended_, CV_8U);
    write_part();
  }

 private:
  cv::Mat plane(int p, int type, int columns, int rows) const {
    return cv::Mat(rows, columns, type, view_.planes[p].data,
                   static_cast<size_t>(view_.planes[p].stride));
  }
  cv::Mat packed(int type) const { return plane(0, type, kWidth, kHeight)(kPart); }
  cv::Mat y444(int p) const { return plane(p, CV_8UC1, kWidth, kHeight)(kPart); }
  cv::Mat chroma() const {
    return plane(1, CV_8UC2, kWidth / 2, kHeight / 2)(
        cv::Rect(kPart.x / 2, kPart.y / 2, kPart.width / 2, kPart.height / 2));
  }

  cv::Mat read_part() {
    switch (view_.format) {
      case PixelFormat::kRgb:
      case PixelFormat::kBgr:
        return packed(CV_8UC3);
      case PixelFormat::kNv12:
        cv::cvtColorTwoPlane(packed(CV_8UC1), chroma(), rgb_, cv::COLOR_YUV2RGB_NV12);
        return rgb_;
      case PixelFormat::kYuy2:
        cv::cvtColor(packed(CV_8UC2), rgb_, cv::COLOR_YUV2RGB_YUY2);
        return rgb_;
      case PixelFormat::kY444:
        cv::merge(std::vector<cv::Mat>{y444(0), y444(2), y444(1)}, yuv_);
        cv::cvtColor(yuv_, rgb_, cv::COLOR_YCrCb2RGB);
        return rgb_;
      default:
        return packed(CV_8UC4);
    }
  }

  const cv::Mat& face_of(int channels) {
    if (channels == 3) return face_;
    cv::cvtColor(face_, wide_face_, cv::COLOR_RGB2RGBA);
    return wide_face_;
  }

  // 4:2:0 and 4:2:2 have no direct way back: to I420, whose planes are copied, or to 4:4:4, whose
  // chroma is shrunk.
  void write_part() {
    if (view_.format == PixelFormat::kNv12) {
      cv::cvtColor(blended_, yuv_, cv::COLOR_RGB2YUV_I420);
      yuv_.rowRange(0, kPart.height).copyTo(packed(CV_8UC1));
      const cv::Size half(kPart.width / 2, kPart.height / 2);
      uint8_t* const first = yuv_.ptr(kPart.height);
      const cv::Mat cb(half, CV_8UC1, first), cr(half, CV_8UC1, first + half.area());
      auto target = chroma();
      cv::merge(std::vector<cv::Mat>{cb, cr}, target);
    } else if (view_.format == PixelFormat::kY444 || view_.format == PixelFormat::kYuy2) {
      cv::cvtColor(blended_, yuv_, cv::COLOR_RGB2YCrCb);
      cv::split(yuv_, planes_);
      if (view_.format == PixelFormat::kY444) {
        for (const int p : {0, 1, 2}) planes_[p].copyTo(y444(p == 0 ? 0 : 3 - p));
      } else {
        write_yuy2();
      }
    } else {
      blended_.copyTo(packed(blended_.type()));
    }
  }

  void write_yuy2() {
    const cv::Size half(kPart.width / 2, kPart.height);
    for (const int p : {1, 2}) cv::resize(planes_[p], half_[p - 1], half, 0, 0, cv::INTER_AREA);
    const cv::Mat pairs = packed(CV_8UC2).clone();
    cv::Mat both(kPart.height, kPart.width / 2, CV_8UC4, pairs.data);
    const cv::Mat luma(kPart.height, kPart.width / 2, CV_8UC2, planes_[0].data);
    const cv::Mat from[] = {luma, half_[1], half_[0]};
    const int order[] = {0, 0, 1, 2, 2, 1, 3, 3};
    cv::mixChannels(from, 3, &both, 1, order, 4);
    pairs.copyTo(packed(CV_8UC2));
  }

  kernels::ImageView view_;
  cv::Mat to_part_, face_, wide_face_, mask_, crop_, rgb_, yuv_, warped_, weight_, weights_, old_,
      new_, blended_;
  cv::Mat half_[2];
  std::vector<cv::Mat> planes_;
  cv::Size size_;
};
#endif

std::string megapixels(Task& task, int64_t edge) {
  if (task.times.empty()) return "";
  char text[16];
  std::snprintf(text, sizeof(text), "%.0f", static_cast<double>(edge * edge) / task.median() / 1e6);
  return text;
}

void time_format(const Format& format, int64_t edge, int rounds) {
  const auto picture = test::paint({.format = format.format, .width = kWidth, .height = kHeight},
                                   test::smooth_color);
  const auto map = face_map(edge);
  const auto crop = at::empty({3, edge, edge}, at::kFloat);
  const auto mask = kernels::soft_mask(map, edge, edge);
  Task warp{[&] { kernels::warp_crop(picture.view, map, ValueRange::kSigned, crop); }, {}};
  Task paste{[&] { kernels::paste_back(crop, ValueRange::kSigned, mask, map, picture.view); }, {}};
  Task their_warp{};
  Task their_paste{};
#ifdef LATENTSYNC_HAVE_OPENCV
  // Its own frame: both go on from what they wrote.
  const auto their_picture = picture.to(at::kCPU);
  OpenCv opencv(their_picture.view, edge);
  if (opencv.knows()) {
    their_warp.run = [&] { opencv.to_crop(); };
    their_paste.run = [&] { opencv.back(); };
  }
#endif
  for (int round = 0; round <= rounds; ++round) {
    for (Task* task : {&warp, &their_warp, &paste, &their_paste}) {
      if (round == 0 && task->run) task->run();
      if (round > 0) task->time();
    }
  }
  std::printf("| %s | %ld | %s | %s | %s | %s |\n", format.name, static_cast<long>(edge),
              megapixels(warp, edge).c_str(), megapixels(their_warp, edge).c_str(),
              megapixels(paste, edge).c_str(), megapixels(their_paste, edge).c_str());
}

// What the face networks look at: a face of 1000 pixels, and a whole upright frame.
void time_views(const Format& format, int rounds) {
  const auto picture = test::paint({.format = format.format, .width = kHeight, .height = kWidth},
                                   test::smooth_color);
  const face::ImageSampler sampler(picture.view, at::kCPU);
  Task near{[&] { sampler.sample({{540, 900}, 1000, 0.1}, 192, face::Outside::kEdge); }, {}};
  Task whole{[&] { sampler.sample({{539.5, 959.5}, 1920, 0}, 128, face::Outside::kBlack); }, {}};
  for (int round = 0; round < rounds; ++round) {
    near.time();
    whole.time();
  }
  std::printf("| %s | %.2f | %.2f |\n", format.name, near.median() * 1e3, whole.median() * 1e3);
}

}  // namespace
}  // namespace latentsync

int main(int count, char** arguments) {
  using namespace latentsync;
  const int rounds = std::max(1, count > 1 ? std::atoi(arguments[1]) : 30);
  at::set_num_threads(1);
#ifdef LATENTSYNC_HAVE_OPENCV
  cv::setNumThreads(1);
#endif
  std::puts("| format | crop | warp_crop MP/s | OpenCV | paste_back MP/s | OpenCV |");
  std::puts("| --- | --- | --- | --- | --- | --- |");
  for (const int64_t edge : {256, 512}) {
    for (const auto& format : kFormats) time_format(format, edge, rounds);
  }
  std::puts("\n| format | 1000 pixels to 192, ms | 1080x1920 to 128, ms |\n| --- | --- | --- |");
  for (const auto& format : kFormats) time_views(format, rounds);
}
