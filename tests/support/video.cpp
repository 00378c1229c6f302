#include "tests/support/video.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <stdexcept>
#include <utility>

namespace latentsync::test {
namespace {

using kernels::PixelFormat;

// A clip that takes longer than this for one frame never gives one.
constexpr GstClockTime kPatience = 30 * GST_SECOND;

template <auto free>
struct Free {
  template <typename T>
  void operator()(T* thing) const {
    free(thing);
  }
};
template <typename T, auto free>
using Owned = std::unique_ptr<T, Free<free>>;

const char* name_of(PixelFormat format) {
  switch (format) {
    case PixelFormat::kNv12:
      return "NV12";
    case PixelFormat::kI420:
      return "I420";
    case PixelFormat::kP010:
      return "P010_10LE";
    case PixelFormat::kY42b:
      return "Y42B";
    case PixelFormat::kY444:
      return "Y444";
    case PixelFormat::kYuy2:
      return "YUY2";
    case PixelFormat::kRgb:
      return "RGB";
    case PixelFormat::kBgr:
      return "BGR";
    case PixelFormat::kRgba:
      return "RGBA";
    case PixelFormat::kBgra:
      return "BGRA";
    case PixelFormat::kRgbx:
      return "RGBx";
    case PixelFormat::kBgrx:
      return "BGRx";
    case PixelFormat::kArgb:
      return "ARGB";
    case PixelFormat::kAbgr:
      return "ABGR";
    case PixelFormat::kUyvy:
      return "UYVY";
    case PixelFormat::kV210:
      return "v210";
    case PixelFormat::kI420Ten:
      return "I420_10LE";
    case PixelFormat::kI422Ten:
      return "I422_10LE";
    case PixelFormat::kY444Ten:
      return "Y444_10LE";
    case PixelFormat::kGbr:
      return "GBR";
    case PixelFormat::kGbrTen:
      return "GBR_10LE";
  }
  throw std::runtime_error("no such pixel format");
}

kernels::ColorMatrix matrix_of(const GstVideoInfo& info) {
  switch (info.colorimetry.matrix) {
    case GST_VIDEO_COLOR_MATRIX_BT601:
      return kernels::ColorMatrix::kBt601;
    case GST_VIDEO_COLOR_MATRIX_BT2020:
      return kernels::ColorMatrix::kBt2020;
    default:
      return kernels::ColorMatrix::kBt709;
  }
}

Picture copy_of(const GstVideoFrame& frame, PixelFormat format) {
  const auto& info = frame.info;
  auto picture = make_picture({.format = format,
                               .width = GST_VIDEO_INFO_WIDTH(&info),
                               .height = GST_VIDEO_INFO_HEIGHT(&info),
                               .matrix = matrix_of(info),
                               .range = info.colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255
                                            ? kernels::ColorRange::kFull
                                            : kernels::ColorRange::kLimited});
  for (int p = 0; p < kernels::plane_count(format); ++p) {
    const auto size = kernels::plane_size(format, p, picture.view.width, picture.view.height);
    const auto* from = static_cast<const uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, p));
    const auto& to = picture.view.planes[static_cast<size_t>(p)];
    for (int64_t row = 0; row < size.rows; ++row) {
      std::memcpy(to.data + row * to.stride, from + row * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, p),
                  static_cast<size_t>(size.row_bytes));
    }
  }
  return picture;
}

}  // namespace

struct VideoReader::Pipeline {
  ~Pipeline() {
    if (pipeline) gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  }

  // What the pipeline says is wrong with the file.
  [[noreturn]] void fail() const {
    const Owned<GstBus, gst_object_unref> bus(gst_element_get_bus(pipeline.get()));
    const Owned<GstMessage, gst_message_unref> message(
        gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR));
    if (!message) throw std::runtime_error(path + ": no frame came from GStreamer");
    GError* error = nullptr;
    gst_message_parse_error(message.get(), &error, nullptr);
    const std::string text = error->message;
    g_error_free(error);
    throw std::runtime_error(path + ": " + text);
  }

  std::string path;
  Owned<GstElement, gst_object_unref> pipeline;
  Owned<GstElement, gst_object_unref> sink;
};

std::filesystem::path clip(const std::string& name) {
  const auto file = name + "_video.mp4";
  if (const char* folder = std::getenv("LATENTSYNC_CLIPS_DIR")) {
    return std::filesystem::path(folder) / file;
  }
  const std::filesystem::path root = LATENTSYNC_SOURCE_ROOT;
  const auto whole = root / "examples" / "media" / file;
  return std::filesystem::exists(whole) ? whole : root / "tests" / "data" / "clips" / file;
}

VideoReader::VideoReader(const std::filesystem::path& path, PixelFormat format)
    : pipeline_(std::make_unique<Pipeline>()), format_(format) {
  gst_init(nullptr, nullptr);
  pipeline_->path = path.string();
  const std::string line =
      "filesrc name=source ! decodebin ! videoconvert ! "
      "appsink name=sink sync=false max-buffers=4 caps=video/x-raw,format=" +
      std::string(name_of(format));
  pipeline_->pipeline.reset(gst_parse_launch(line.c_str(), nullptr));
  if (!pipeline_->pipeline) throw std::runtime_error("GStreamer's base plugins are missing");
  auto* bin = GST_BIN(pipeline_->pipeline.get());
  pipeline_->sink.reset(gst_bin_get_by_name(bin, "sink"));
  const Owned<GstElement, gst_object_unref> source(gst_bin_get_by_name(bin, "source"));
  g_object_set(source.get(), "location", pipeline_->path.c_str(), nullptr);
  gst_element_set_state(pipeline_->pipeline.get(), GST_STATE_PLAYING);
}

VideoReader::~VideoReader() = default;

std::optional<Picture> VideoReader::next() {
  auto* sink = GST_APP_SINK(pipeline_->sink.get());
  const Owned<GstSample, gst_sample_unref> sample(gst_app_sink_try_pull_sample(sink, kPatience));
  if (!sample) {
    if (!gst_app_sink_is_eos(sink)) pipeline_->fail();
    return std::nullopt;
  }
  GstVideoInfo info;
  GstVideoFrame frame;
  if (!gst_video_info_from_caps(&info, gst_sample_get_caps(sample.get())) ||
      !gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample.get()), GST_MAP_READ)) {
    throw std::runtime_error(pipeline_->path + ": a frame could not be read");
  }
  auto picture = copy_of(frame, format_);
  gst_video_frame_unmap(&frame);
  return picture;
}

std::vector<Picture> read_video(const std::filesystem::path& path, PixelFormat format,
                                int64_t first, int64_t count) {
  VideoReader reader(path, format);
  std::vector<Picture> frames;
  for (int64_t number = 0; count < 0 || number < first + count; ++number) {
    auto frame = reader.next();
    if (!frame) break;
    if (number >= first) frames.push_back(std::move(*frame));
  }
  return frames;
}

at::Tensor colors(const Picture& picture) {
  const auto& view = picture.view;
  const auto* begin = picture.bytes.const_data_ptr<uint8_t>();
  return picture.bytes.as_strided({3, view.height, view.width}, {1, view.planes[0].stride, 3},
                                  view.planes[0].data - begin);
}

}  // namespace latentsync::test
