#include "examples/transcode/pictures.h"

#include <algorithm>
#include <cmath>

namespace latentsync::transcode {
namespace {

constexpr GstClockTime kEncodingPatience = 20 * GST_SECOND;
/// How much of a face's surroundings is shown.
constexpr double kAround = 1.3;

/// What JPEG files have: full range, ITU-R BT.601's matrix.
GstVideoInfo picture_info(int width, int height, const GstVideoInfo& like) {
  GstVideoInfo info;
  gst_video_info_set_format(&info, GST_VIDEO_FORMAT_I420, guint(width), guint(height));
  info.colorimetry.range = GST_VIDEO_COLOR_RANGE_0_255;
  info.colorimetry.matrix = GST_VIDEO_COLOR_MATRIX_BT601;
  info.fps_n = GST_VIDEO_INFO_FPS_N(&like);
  info.fps_d = GST_VIDEO_INFO_FPS_D(&like);
  return info;
}

SamplePtr sample_of(BufferPtr buffer, const GstVideoInfo& info) {
  GstVideoInfo copy = info;
  const CapsPtr caps(gst_video_info_to_caps(&copy));
  return SamplePtr(gst_sample_new(buffer.get(), caps.get(), nullptr, nullptr));
}

/// FRAME, as FROM has it, through CONVERTER to a new picture as TO has it; none where it cannot be
/// read.
SamplePtr converted(GstVideoConverter* converter, GstBuffer* frame, const GstVideoInfo& from,
                    const GstVideoInfo& to) {
  BufferPtr made(gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&to), nullptr));
  GstVideoFrame source, target;
  if (converter == nullptr || !gst_video_frame_map(&source, &from, frame, GST_MAP_READ)) {
    return nullptr;
  }
  const bool mapped = gst_video_frame_map(&target, &to, made.get(), GST_MAP_WRITE) != FALSE;
  if (mapped) {
    gst_video_converter_frame(converter, &source, &target);
    gst_video_frame_unmap(&target);
  }
  gst_video_frame_unmap(&source);
  return mapped ? sample_of(std::move(made), to) : nullptr;
}

std::string encoded(GstSample* sample) {
  const CapsPtr caps(gst_caps_new_empty_simple("image/jpeg"));
  GError* error = nullptr;
  const SamplePtr jpeg(gst_video_convert_sample(sample, caps.get(), kEncodingPatience, &error));
  const ErrorPtr owner(error);
  GstMapInfo map;
  if (!jpeg || !gst_buffer_map(gst_sample_get_buffer(jpeg.get()), &map, GST_MAP_READ)) {
    return "";
  }
  std::string bytes(reinterpret_cast<const char*>(map.data), map.size);
  gst_buffer_unmap(gst_sample_get_buffer(jpeg.get()), &map);
  return bytes;
}

}  // namespace

void Shrinker::set_up(const GstVideoInfo& info) {
  from_ = info;
  // The converter refuses to deinterlace, and nothing is lost by not telling it.
  from_.interlace_mode = GST_VIDEO_INTERLACE_MODE_PROGRESSIVE;
  const double aspect = double(std::max(GST_VIDEO_INFO_PAR_N(&info), 1)) /
                        double(std::max(GST_VIDEO_INFO_PAR_D(&info), 1));
  const double width = GST_VIDEO_INFO_WIDTH(&info) * aspect;
  const double height = GST_VIDEO_INFO_HEIGHT(&info);
  const double scale = std::min(1., SmallPicture::kLongestEdge / std::max(width, height));
  const auto pixels = [scale](double edge) {
    return std::max(2, int(std::lround(edge * scale / 2)) * 2);
  };
  to_ = picture_info(pixels(width), pixels(height), from_);
  converter_.reset(gst_video_converter_new(
      &from_, &to_,
      gst_structure_new("options", GST_VIDEO_CONVERTER_OPT_DITHER_METHOD,
                        GST_TYPE_VIDEO_DITHER_METHOD, GST_VIDEO_DITHER_NONE, nullptr)));
}

std::optional<SmallPicture> Shrinker::shrink(GstBuffer* frame, const GstVideoInfo& info) {
  GstVideoInfo wanted = info;
  wanted.interlace_mode = GST_VIDEO_INTERLACE_MODE_PROGRESSIVE;
  if (from_.finfo == nullptr || !gst_video_info_is_equal(&wanted, &from_)) {
    set_up(info);
  }
  SmallPicture picture{
      .sample = converted(converter_.get(), frame, from_, to_),
      .scale_x = double(GST_VIDEO_INFO_WIDTH(&to_)) / GST_VIDEO_INFO_WIDTH(&from_),
      .scale_y = double(GST_VIDEO_INFO_HEIGHT(&to_)) / GST_VIDEO_INFO_HEIGHT(&from_)};
  return picture.sample ? std::optional(std::move(picture)) : std::nullopt;
}

std::string jpeg_of(const SmallPicture& picture) { return encoded(picture.sample.get()); }

std::string jpeg_around(const SmallPicture& picture, const std::optional<PictureArea>& area,
                        int edge) {
  GstVideoInfo from;
  if (!gst_video_info_from_caps(&from, gst_sample_get_caps(picture.sample.get()))) {
    return "";
  }
  const double width = GST_VIDEO_INFO_WIDTH(&from);
  const double height = GST_VIDEO_INFO_HEIGHT(&from);
  double size = std::min(width, height);
  double x = width / 2;
  double y = height / 2;
  if (area && area->width > 0 && area->height > 0) {
    size = std::min(
        size, kAround * std::max(area->width * picture.scale_x, area->height * picture.scale_y));
    x = (area->left + area->width / 2) * picture.scale_x;
    y = (area->top + area->height / 2) * picture.scale_y;
  }
  const int pixels = std::max(2, int(size));
  const int left = std::clamp(int(std::lround(x - size / 2)), 0, int(width) - pixels);
  const int top = std::clamp(int(std::lround(y - size / 2)), 0, int(height) - pixels);
  const GstVideoInfo to = picture_info(edge, edge, from);
  GstVideoInfo source = from;
  GstVideoInfo target = to;
  const std::unique_ptr<GstVideoConverter, FreeConverter> converter(gst_video_converter_new(
      &source, &target,
      gst_structure_new("options", GST_VIDEO_CONVERTER_OPT_SRC_X, G_TYPE_INT, left,
                        GST_VIDEO_CONVERTER_OPT_SRC_Y, G_TYPE_INT, top,
                        GST_VIDEO_CONVERTER_OPT_SRC_WIDTH, G_TYPE_INT, pixels,
                        GST_VIDEO_CONVERTER_OPT_SRC_HEIGHT, G_TYPE_INT, pixels, nullptr)));
  const SamplePtr square =
      converted(converter.get(), gst_sample_get_buffer(picture.sample.get()), from, to);
  return square ? encoded(square.get()) : "";
}

}  // namespace latentsync::transcode
