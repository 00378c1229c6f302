#include "examples/transcode/pixel_format.h"

#include <algorithm>

namespace latentsync::transcode {
namespace {

/// What decides about a format's name and its relatives.
struct Kind {
  bool rgb;
  bool gray;
  bool alpha;
  int bits;
  int shift_x;  ///< of chroma
  int shift_y;
};

Kind kind_of(GstVideoFormat format) {
  const GstVideoFormatInfo* info = gst_video_format_get_info(format);
  Kind kind{.rgb = GST_VIDEO_FORMAT_INFO_IS_RGB(info) != 0,
            .gray = GST_VIDEO_FORMAT_INFO_IS_GRAY(info) != 0,
            .alpha = GST_VIDEO_FORMAT_INFO_HAS_ALPHA(info) != 0,
            .bits = 0,
            .shift_x = 0,
            .shift_y = 0};
  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS(info); ++c) {
    kind.bits = std::max(kind.bits, int(GST_VIDEO_FORMAT_INFO_DEPTH(info, c)));
    kind.shift_x = std::max(kind.shift_x, int(GST_VIDEO_FORMAT_INFO_W_SUB(info, c)));
    kind.shift_y = std::max(kind.shift_y, int(GST_VIDEO_FORMAT_INFO_H_SUB(info, c)));
  }
  return kind;
}

std::string colours(const Kind& kind) {
  if (kind.rgb) {
    return "RGB";
  }
  if (kind.gray) {
    return "gray";
  }
  switch (kind.shift_x * 4 + kind.shift_y) {
    case 0:
      return "4:4:4";
    case 1:
      return "4:4:0";
    case 4:
      return "4:2:2";
    case 5:
      return "4:2:0";
    case 8:
      return "4:1:1";
    default:
      return "4:1:0";
  }
}

}  // namespace

std::string describe(GstVideoFormat format) {
  const Kind kind = kind_of(format);
  return colours(kind) + " " + std::to_string(kind.bits) + " bit" +
         (kind.alpha ? " with alpha" : "");
}

bool keeps(GstVideoFormat encoded, GstVideoFormat format) {
  const Kind has = kind_of(encoded);
  const Kind wanted = kind_of(format);
  return has.rgb == wanted.rgb && has.gray == wanted.gray && has.bits >= wanted.bits &&
         has.shift_x <= wanted.shift_x && has.shift_y <= wanted.shift_y &&
         (has.alpha || !wanted.alpha);
}

bool has_alpha(GstVideoFormat format) { return kind_of(format).alpha; }

GstVideoFormat format_for_ffv1(GstVideoFormat format) {
  const Kind kind = kind_of(format);
  const bool deep = kind.bits > 8;
  if (kind.rgb && deep) {
    return kind.alpha ? GST_VIDEO_FORMAT_GBRA_10LE : GST_VIDEO_FORMAT_GBR_10LE;
  }
  if (kind.rgb) {
    return kind.alpha ? GST_VIDEO_FORMAT_BGRA : GST_VIDEO_FORMAT_BGRx;
  }
  if (kind.shift_y > 0) {
    if (kind.alpha) {
      return deep ? GST_VIDEO_FORMAT_A420_10LE : GST_VIDEO_FORMAT_A420;
    }
    return deep ? GST_VIDEO_FORMAT_I420_10LE : GST_VIDEO_FORMAT_I420;
  }
  if (kind.shift_x > 0) {
    if (kind.alpha) {
      return GST_VIDEO_FORMAT_A422_10LE;
    }
    return deep ? GST_VIDEO_FORMAT_I422_10LE : GST_VIDEO_FORMAT_Y42B;
  }
  if (kind.alpha) {
    return GST_VIDEO_FORMAT_A444_10LE;
  }
  return deep ? GST_VIDEO_FORMAT_Y444_10LE : GST_VIDEO_FORMAT_Y444;
}

GstVideoFormat format_for_prores(GstVideoFormat format) {
  const Kind kind = kind_of(format);
  if (kind.bits <= 8 || kind.shift_y > 0) {
    return GST_VIDEO_FORMAT_UNKNOWN;
  }
  if (kind.alpha) {
    return GST_VIDEO_FORMAT_A444_10LE;
  }
  return kind.shift_x > 0 ? GST_VIDEO_FORMAT_I422_10LE : GST_VIDEO_FORMAT_Y444_10LE;
}

}  // namespace latentsync::transcode
