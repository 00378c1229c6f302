#include "examples/transcode/uniform_frames.h"

#include "examples/transcode/problem.h"

#include <algorithm>
#include <cmath>

namespace latentsync::transcode {
namespace {

/// Shapes that differ by less are one: sizes are whole pixels, and 1088 rows are shown as 1080.
constexpr double kSameShape = 0.01;

GstVideoInfo info_of(const GstCaps* caps) {
  GstVideoInfo info;
  if (!gst_video_info_from_caps(&info, caps)) {
    throw Problem("GStreamer gives frames of a format that is not known");
  }
  return info;
}

std::string size_of(const GstVideoInfo& info) {
  return std::to_string(GST_VIDEO_INFO_WIDTH(&info)) + "x" +
         std::to_string(GST_VIDEO_INFO_HEIGHT(&info));
}

std::string aspect_of(const GstVideoInfo& info) {
  return std::to_string(GST_VIDEO_INFO_PAR_N(&info)) + ":" +
         std::to_string(GST_VIDEO_INFO_PAR_D(&info));
}

std::string colours_of(const GstVideoInfo& info) {
  const TextPtr text(gst_video_colorimetry_to_string(&info.colorimetry));
  return text ? text.get() : "unknown";
}

std::string scan_of(const GstVideoInfo& info) {
  return gst_video_interlace_mode_to_string(GST_VIDEO_INFO_INTERLACE_MODE(&info));
}

bool same_shape_of_pixels(const GstVideoInfo& one, const GstVideoInfo& other) {
  return gint64(GST_VIDEO_INFO_PAR_N(&one)) * GST_VIDEO_INFO_PAR_D(&other) ==
         gint64(GST_VIDEO_INFO_PAR_N(&other)) * GST_VIDEO_INFO_PAR_D(&one);
}

/// Whether the samples or their shape differ, so that pixels have to be made anew.
bool needs_conversion(const GstVideoInfo& from, const GstVideoInfo& to) {
  return GST_VIDEO_INFO_FORMAT(&from) != GST_VIDEO_INFO_FORMAT(&to) ||
         GST_VIDEO_INFO_WIDTH(&from) != GST_VIDEO_INFO_WIDTH(&to) ||
         GST_VIDEO_INFO_HEIGHT(&from) != GST_VIDEO_INFO_HEIGHT(&to) ||
         !same_shape_of_pixels(from, to) ||
         !gst_video_colorimetry_is_equal(&from.colorimetry, &to.colorimetry);
}

int even(double length, int most) { return std::clamp(int(std::lround(length / 2)) * 2, 2, most); }

/// Where the picture of FROM lies in one of TO, as options of a converter.
GstStructure* placed(const GstVideoInfo& from, const GstVideoInfo& to) {
  const int most_width = GST_VIDEO_INFO_WIDTH(&to);
  const int most_height = GST_VIDEO_INFO_HEIGHT(&to);
  const auto shape = [](const GstVideoInfo& info) {
    return double(GST_VIDEO_INFO_WIDTH(&info)) * GST_VIDEO_INFO_PAR_N(&info) /
           (double(GST_VIDEO_INFO_HEIGHT(&info)) * GST_VIDEO_INFO_PAR_D(&info));
  };
  const double wider = shape(from) / shape(to);
  int width = most_width;
  int height = most_height;
  if (wider > 1 + kSameShape) {
    height = even(most_height / wider, most_height);
  } else if (wider < 1 - kSameShape) {
    width = even(most_width * wider, most_width);
  }
  return gst_structure_new("options", GST_VIDEO_CONVERTER_OPT_DEST_X, G_TYPE_INT,
                           (most_width - width) / 4 * 2, GST_VIDEO_CONVERTER_OPT_DEST_Y, G_TYPE_INT,
                           (most_height - height) / 4 * 2, GST_VIDEO_CONVERTER_OPT_DEST_WIDTH,
                           G_TYPE_INT, width, GST_VIDEO_CONVERTER_OPT_DEST_HEIGHT, G_TYPE_INT,
                           height, GST_VIDEO_CONVERTER_OPT_DITHER_METHOD,
                           GST_TYPE_VIDEO_DITHER_METHOD, GST_VIDEO_DITHER_NONE, nullptr);
}

/// What lies beside the pixels and does not depend on their place or format: captions, timecodes.
gboolean copy_meta(GstBuffer* from, GstMeta** meta, gpointer to) {
  const GstMetaInfo* info = (*meta)->info;
  const gchar* const* tags = gst_meta_api_type_get_tags(info->api);
  if (info->transform_func != nullptr && (tags == nullptr || tags[0] == nullptr)) {
    GstMetaTransformCopy whole = {.region = FALSE, .offset = 0, .size = gsize(-1)};
    info->transform_func(GST_BUFFER(to), *meta, from, _gst_meta_transform_copy, &whole);
  }
  return TRUE;
}

}  // namespace

UniformFrames::UniformFrames(const GstCaps* first)
    : to_(info_of(first)), caps_(gst_caps_copy(first)), from_(to_) {}

std::string UniformFrames::difference(const GstCaps* caps) const {
  const GstVideoInfo from = info_of(caps);
  std::string text;
  const auto say = [&text](const char* what, const std::string& old, const std::string& now) {
    if (old != now) {
      text += text.empty() ? "" : ", ";
      text.append(what).append(" ").append(old).append(" becomes ").append(now);
    }
  };
  say("size", size_of(to_), size_of(from));
  say("pixel aspect", aspect_of(to_), aspect_of(from));
  say("format", GST_VIDEO_INFO_NAME(&to_), GST_VIDEO_INFO_NAME(&from));
  say("colorimetry", colours_of(to_), colours_of(from));
  say("scan", scan_of(to_), scan_of(from));
  return text;
}

bool UniformFrames::changes_shape(const GstCaps* caps) const {
  const GstVideoInfo from = info_of(caps);
  return size_of(from) != size_of(to_) || !same_shape_of_pixels(from, to_);
}

void UniformFrames::prepare(const GstCaps* caps) {
  if (gst_caps_is_equal(caps, caps_.get())) {
    return;
  }
  from_ = info_of(caps);
  converter_.reset();
  if (needs_conversion(from_, to_)) {
    // The converter changes neither, and insists on it.
    from_.fps_n = to_.fps_n;
    from_.fps_d = to_.fps_d;
    from_.interlace_mode = to_.interlace_mode;
    converter_.reset(gst_video_converter_new(&from_, &to_, placed(from_, to_)));
    if (!converter_) {
      throw Problem("GStreamer cannot convert " + size_of(from_) + " " +
                    GST_VIDEO_INFO_NAME(&from_) + " to " + size_of(to_) + " " +
                    GST_VIDEO_INFO_NAME(&to_));
    }
  }
  caps_.reset(gst_caps_copy(caps));
}

BufferPtr UniformFrames::convert(BufferPtr frame, const GstCaps* caps) {
  prepare(caps);
  if (!converter_) {
    return frame;
  }
  BufferPtr made(gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&to_), nullptr));
  GstVideoFrame from;
  GstVideoFrame to;
  if (!made || !gst_video_frame_map(&from, &from_, frame.get(), GST_MAP_READ)) {
    throw Problem("a frame cannot be mapped into memory");
  }
  const bool mapped = gst_video_frame_map(&to, &to_, made.get(), GST_MAP_WRITE) != FALSE;
  if (mapped) {
    gst_video_converter_frame(converter_.get(), &from, &to);
    gst_video_frame_unmap(&to);
  }
  gst_video_frame_unmap(&from);
  if (!mapped) {
    throw Problem("a frame cannot be mapped into memory");
  }
  gst_buffer_copy_into(
      made.get(), frame.get(),
      static_cast<GstBufferCopyFlags>(GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS), 0,
      gsize(-1));
  gst_buffer_foreach_meta(frame.get(), copy_meta, made.get());
  return made;
}

}  // namespace latentsync::transcode
