#include "gst/render/image_bridge.h"

#include "gst/debug.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace latentsync {
namespace {

using kernels::ChromaSiting;
using kernels::ColorMatrix;
using kernels::ColorRange;
using kernels::PixelFormat;
using kernels::Scan;

/// Alpha in a plane of its own is left out: nothing is done to it.
std::optional<PixelFormat> pixel_format(GstVideoFormat format) {
  switch (format) {
    case GST_VIDEO_FORMAT_NV12:
      return PixelFormat::kNv12;
    case GST_VIDEO_FORMAT_I420:
    case GST_VIDEO_FORMAT_A420:
      return PixelFormat::kI420;
    case GST_VIDEO_FORMAT_P010_10LE:
      return PixelFormat::kP010;
    case GST_VIDEO_FORMAT_Y42B:
      return PixelFormat::kY42b;
    case GST_VIDEO_FORMAT_Y444:
      return PixelFormat::kY444;
    case GST_VIDEO_FORMAT_YUY2:
      return PixelFormat::kYuy2;
    case GST_VIDEO_FORMAT_UYVY:
      return PixelFormat::kUyvy;
    case GST_VIDEO_FORMAT_v210:
      return PixelFormat::kV210;
    case GST_VIDEO_FORMAT_I420_10LE:
    case GST_VIDEO_FORMAT_A420_10LE:
      return PixelFormat::kI420Ten;
    case GST_VIDEO_FORMAT_I422_10LE:
    case GST_VIDEO_FORMAT_A422_10LE:
      return PixelFormat::kI422Ten;
    case GST_VIDEO_FORMAT_Y444_10LE:
    case GST_VIDEO_FORMAT_A444_10LE:
      return PixelFormat::kY444Ten;
    case GST_VIDEO_FORMAT_RGB:
      return PixelFormat::kRgb;
    case GST_VIDEO_FORMAT_BGR:
      return PixelFormat::kBgr;
    case GST_VIDEO_FORMAT_RGBA:
      return PixelFormat::kRgba;
    case GST_VIDEO_FORMAT_BGRA:
      return PixelFormat::kBgra;
    case GST_VIDEO_FORMAT_RGBx:
      return PixelFormat::kRgbx;
    case GST_VIDEO_FORMAT_BGRx:
      return PixelFormat::kBgrx;
    case GST_VIDEO_FORMAT_ARGB:
    case GST_VIDEO_FORMAT_xRGB:
      return PixelFormat::kArgb;
    case GST_VIDEO_FORMAT_ABGR:
    case GST_VIDEO_FORMAT_xBGR:
      return PixelFormat::kAbgr;
    case GST_VIDEO_FORMAT_GBR:
    case GST_VIDEO_FORMAT_GBRA:
      return PixelFormat::kGbr;
    case GST_VIDEO_FORMAT_GBR_10LE:
    case GST_VIDEO_FORMAT_GBRA_10LE:
      return PixelFormat::kGbrTen;
    default:
      return std::nullopt;
  }
}

/// What caps leave open is GStreamer's own default for the size.
ColorMatrix color_matrix(const GstVideoInfo& info) {
  switch (info.colorimetry.matrix) {
    case GST_VIDEO_COLOR_MATRIX_BT709:
    case GST_VIDEO_COLOR_MATRIX_SMPTE240M:
      return ColorMatrix::kBt709;
    case GST_VIDEO_COLOR_MATRIX_BT2020:
      return ColorMatrix::kBt2020;
    case GST_VIDEO_COLOR_MATRIX_BT601:
    case GST_VIDEO_COLOR_MATRIX_FCC:
      return ColorMatrix::kBt601;
    default:
      return info.height > 576 ? ColorMatrix::kBt709 : ColorMatrix::kBt601;
  }
}

ChromaSiting chroma_siting(GstVideoChromaSite site) {
  const bool horizontally = (site & GST_VIDEO_CHROMA_SITE_H_COSITED) != 0;
  const bool vertically = (site & GST_VIDEO_CHROMA_SITE_V_COSITED) != 0;
  if (horizontally) return vertically ? ChromaSiting::kTopLeft : ChromaSiting::kLeft;
  return (site & GST_VIDEO_CHROMA_SITE_NONE) != 0 ? ChromaSiting::kCenter : ChromaSiting::kLeft;
}

/// Frames of interlaced video hold two fields, of mixed video those that say so.
Scan scan_of(const GstVideoFrame& frame) {
  const GstVideoInfo& info = frame.info;
  const bool mixed = GST_VIDEO_INFO_INTERLACE_MODE(&info) == GST_VIDEO_INTERLACE_MODE_MIXED;
  if (!GST_VIDEO_INFO_IS_INTERLACED(&info) || (mixed && !GST_VIDEO_FRAME_IS_INTERLACED(&frame))) {
    return Scan::kProgressive;
  }
  const bool top_first =
      GST_VIDEO_INFO_FIELD_ORDER(&info) == GST_VIDEO_FIELD_ORDER_TOP_FIELD_FIRST ||
      GST_VIDEO_FRAME_IS_TFF(&frame);
  return top_first ? Scan::kTopFieldFirst : Scan::kBottomFieldFirst;
}

/// Bytes that the samples' addresses are multiples of.
int alignment_of(PixelFormat format, const GstVideoFormatInfo* info) {
  if (format == PixelFormat::kV210) return 4;
  return GST_VIDEO_FORMAT_INFO_BITS(info) > 8 ? 2 : 1;
}

Failure unsupported(const std::string& what) {
  return {ErrorCode::kUnsupported,
          "A video frame cannot be edited: " + what + ". Put a videoconvert before video_sink."};
}

Failure unreadable(const std::string& detail) {
  return {
      ErrorCode::kUnreadable,
      "A video frame's memory cannot be read. Look for the element that made it: its buffers do "
      "not hold what its caps say.",
      detail};
}

/// Bytes from a plane's first sample to its last one.
int64_t plane_bytes(const GstVideoFrame& frame, guint plane) {
  const PlaneRows rows = rows_of(frame, plane);
  return GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane) * (rows.count - 1) + rows.bytes;
}

/// Whether the plane ends within its memory. Only a plane that a GstVideoMeta mapped needs to be
/// asked: without the meta gst_video_frame_map() has compared the sizes, with one it has looked for
/// the plane's first byte alone. A meta with a way of mapping of its own may not tell a size.
bool holds_plane(const GstVideoFrame& frame, guint plane) {
  const GstMapInfo& map = frame.map[plane];
  if (!map.data) return true;
  const auto* data = static_cast<const uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, plane));
  return data - map.data + plane_bytes(frame, plane) <= static_cast<int64_t>(map.size);
}

}  // namespace

PlaneRows rows_of(const GstVideoFrame& frame, guint plane) {
  const GstVideoFormatInfo* format = frame.info.finfo;
  PlaneRows rows;
  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS(format); ++c) {
    if (GST_VIDEO_FORMAT_INFO_PLANE(format, c) != plane) continue;
    const int64_t columns =
        GST_VIDEO_FORMAT_INFO_SCALE_WIDTH(format, c, GST_VIDEO_FRAME_WIDTH(&frame));
    rows.bytes = std::max(rows.bytes, columns * GST_VIDEO_FORMAT_INFO_PSTRIDE(format, c));
    rows.count = GST_VIDEO_FORMAT_INFO_SCALE_HEIGHT(format, c, GST_VIDEO_FRAME_HEIGHT(&frame));
  }
  if (GST_VIDEO_FORMAT_INFO_FORMAT(format) == GST_VIDEO_FORMAT_v210) {
    rows.bytes = (GST_VIDEO_FRAME_WIDTH(&frame) + 47) / 48 * 128;
  }
  return rows;
}

Result<kernels::ImageView> image_view(const GstVideoFrame& frame) {
  const GstVideoInfo& info = frame.info;
  const auto format = pixel_format(GST_VIDEO_INFO_FORMAT(&info));
  if (!format) {
    return unsupported(std::string("its format is ") +
                       gst_video_format_to_string(GST_VIDEO_INFO_FORMAT(&info)));
  }
  kernels::ImageView view;
  view.format = *format;
  view.width = GST_VIDEO_FRAME_WIDTH(&frame);
  view.height = GST_VIDEO_FRAME_HEIGHT(&frame);
  if (view.width > kernels::kMostImageEdge || view.height > kernels::kMostImageEdge) {
    return unsupported("it is larger than " + std::to_string(kernels::kMostImageEdge) + " pixels");
  }
  const int alignment = alignment_of(*format, info.finfo);
  for (guint plane = 0; plane < GST_VIDEO_FRAME_N_PLANES(&frame); ++plane) {
    auto* data = static_cast<uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, plane));
    const int64_t stride = GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane);
    if (!data || stride <= 0) return unsupported("its rows are stored bottom-up");
    if (reinterpret_cast<uintptr_t>(data) % alignment != 0 || stride % alignment != 0) {
      return unsupported("its samples are not aligned");
    }
    if (!holds_plane(frame, plane)) {
      return unreadable("plane " + std::to_string(plane) + " of " +
                        std::to_string(plane_bytes(frame, plane)) + " bytes does not fit in " +
                        std::to_string(frame.map[plane].size));
    }
    if (plane < view.planes.size()) view.planes[plane] = {data, stride};
  }
  view.matrix = color_matrix(info);
  view.range = info.colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255 ? ColorRange::kFull
                                                                     : ColorRange::kLimited;
  view.siting = chroma_siting(info.chroma_site);
  view.scan = scan_of(frame);
  return view;
}

Failure uncopied_frame(GstBuffer* buffer) {
  return {ErrorCode::kUnreadable,
          "A video frame's memory cannot be copied. Put an element before video_sink that brings "
          "frames into system memory, a videoconvert or a download.",
          "buffer of " + std::to_string(gst_buffer_get_size(buffer)) + " bytes"};
}

MappedFrames::MappedFrames(FrameGroup& group, SpareBuffers* spare,
                           std::shared_ptr<const cuda::PrimaryContext> cuda)
    : spare_(spare), cuda_(std::move(cuda)), order_(cuda_) {
  for (Item& item : group.items) {
    if (auto* frame = std::get_if<Frame>(&item)) frames_.push_back({frame});
  }
}

MappedFrames::~MappedFrames() {
  for (Mapping& mapping : frames_) unmap(mapping);
}

void MappedFrames::unmap(Mapping& mapping) {
  if (mapping.mapped) gst_video_frame_unmap(&mapping.video);
  mapping.mapped = false;
}

Result<kernels::ImageView> MappedFrames::view(const Mapping& mapping) const {
  auto view = image_view(mapping.video);
  if (view && mapping.ready) {
    view->device = cuda_->device();
    view->ready_event = mapping.ready;
  }
  return view;
}

Result<kernels::ImageView> MappedFrames::map(Mapping& mapping, bool writing) {
  if (mapping.mapped && mapping.writing == writing) return view(mapping);
  unmap(mapping);
  Frame& frame = *mapping.frame;
  if (writing && !gst_buffer_is_writable(frame.buffer.get())) {
    BufferPtr copy(gst_buffer_copy(frame.buffer.get()));
    if (!copy) return uncopied_frame(frame.buffer.get());
    frame.buffer = std::move(copy);
  }
  const bool on_device = cuda_ && cuda_->holds(frame.buffer.get());
  // The memory may be shared even where the buffer is not; mapping it for writing copies it then.
  const auto flags = static_cast<GstMapFlags>((writing ? GST_MAP_READWRITE : GST_MAP_READ) |
                                              (on_device ? cuda::kMapDevice : 0));
  mapping.video = {};
  if (!gst_video_frame_map(&mapping.video, frame.format.get(), frame.buffer.get(), flags)) {
    return unreadable("buffer of " + std::to_string(gst_buffer_get_size(frame.buffer.get())) +
                      " bytes, format of " +
                      std::to_string(GST_VIDEO_INFO_SIZE(frame.format.get())));
  }
  mapping.mapped = true;
  mapping.writing = writing;
  mapping.ready = nullptr;
  // Only now: mapping may have copied the pixels.
  if (on_device && !(mapping.ready = order_.ready(frame.buffer.get()))) {
    // Mapped without an event it would pass for memory of the machine when it is asked for again.
    unmap(mapping);
    return order_.finish().value_or(unreadable("no event for device memory"));
  }
  return view(mapping);
}

Result<kernels::ImageView> MappedFrames::readable(size_t frame) {
  return map(frames_[frame], false);
}

Result<kernels::ImageView> MappedFrames::writable(size_t frame) {
  if (spare_ && !spare_->commit()) {
    return Failure{ErrorCode::kCancelled, "The window came too late for its frames."};
  }
  return map(frames_[frame], true);
}

void MappedFrames::written(size_t frame, void* event) noexcept {
  if (frames_[frame].ready) order_.written(frames_[frame].frame->buffer.get(), event);
}

}  // namespace latentsync
