#include "examples/transcode/output_format.h"

#include "examples/transcode/edit_list.h"
#include "examples/transcode/pixel_format.h"
#include "examples/transcode/problem.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <string_view>

namespace latentsync::transcode {
namespace {

struct Part {
  const char* caps;
  const char* restriction;  ///< of what the encoder gets; null: as it comes
  const char* factory;
  const char* properties;
  const char* package;  ///< Debian's
};

struct Format {
  const char* extension;
  Part container;
  Part video;
  Part audio;
  SoundLimits sound;
  guint64 priming;  ///< samples that come before the first one, where the container has to say so
};

// Constant quality at which the difference cannot be seen. x264 otherwise keeps to its default bit
// rate through the VBV. Without B-frames a frame's place in the file is its place in time.
constexpr Part kH264 = {"video/x-h264", "video/x-raw,format=I420", "x264enc",
                        "pass=5,quantizer=14,vbv-buf-capacity=0,bframes=0",
                        "gstreamer1.0-plugins-ugly"};
constexpr Part kAac = {"audio/mpeg,mpegversion=4", nullptr, "avenc_aac", "bitrate=256000",
                       "gstreamer1.0-libav"};
constexpr Part kVp9 = {
    "video/x-vp9", "video/x-raw,format=I420", "vp9enc",
    "end-usage=2,cq-level=14,target-bitrate=500000000,deadline=1000000,cpu-used=4,"
    "row-mt=true,threads=4,lag-in-frames=0",
    "gstreamer1.0-plugins-good"};
constexpr Part kOpus = {"audio/x-opus", nullptr, "opusenc", "bitrate=192000",
                        "gstreamer1.0-plugins-base"};
// Key frames only: shards are joined, and cut, at any frame.
constexpr Part kFfv1 = {"video/x-ffv,ffvversion=1", nullptr, "avenc_ffv1", "gop-size=1",
                        "gstreamer1.0-libav"};
// For .mov, of video that editors have at 10 bits.
constexpr Part kProRes422 = {"video/x-prores", nullptr, "avenc_prores_ks", "profile=3",
                             "gstreamer1.0-libav"};
constexpr Part kProRes4444 = {"video/x-prores", nullptr, "avenc_prores_ks", "profile=4",
                              "gstreamer1.0-libav"};
constexpr Part kFlac = {"audio/x-flac", nullptr, "flacenc", "quality=5",
                        "gstreamer1.0-plugins-good"};

// Layouts that a decoder finds again, as GStreamer's channel masks; 0: mono.
constexpr guint64 kAacLayouts[] = {0, 0x3, 0x7, 0xb, 0x103, 0x33, 0x107, 0x37, 0x3f};
constexpr guint64 kOpusLayouts[] = {0, 0x3, 0x7, 0x33, 0x37, 0x3f, 0xd0f, 0xc3f};
// Not seven or eight channels: GStreamer 1.22 writes and reads them in an order of its own.
constexpr guint64 kFlacLayouts[] = {0, 0x3, 0x7, 0x33, 0x37, 0x3f};
constexpr SoundLimits kAacLimits = {"AAC", kAacLayouts, 96000};
constexpr SoundLimits kOpusLimits = {"Opus", kOpusLayouts, 48000};
constexpr SoundLimits kFlacLimits = {"FLAC", kFlacLayouts, 655350};
// libav's encoder delays the sound by a frame, and GStreamer's wrapper of it does not say so.
constexpr guint64 kAacPriming = 1024;

constexpr std::array<Format, 4> kFormats = {{
    {"mp4",
     {"video/quicktime,variant=iso", nullptr, "mp4mux", nullptr, "gstreamer1.0-plugins-good"},
     kH264,
     kAac,
     kAacLimits,
     kAacPriming},
    {"mov",
     {"video/quicktime,variant=apple", nullptr, "qtmux", nullptr, "gstreamer1.0-plugins-good"},
     kH264,
     kAac,
     kAacLimits,
     kAacPriming},
    {"webm",
     {"video/webm", nullptr, "webmmux", nullptr, "gstreamer1.0-plugins-good"},
     kVp9,
     kOpus,
     kOpusLimits,
     0},
    {"mkv",
     {"video/x-matroska", nullptr, "matroskamux", nullptr, "gstreamer1.0-plugins-good"},
     kFfv1,
     kFlac,
     kFlacLimits,
     0},
}};

const Format& format_for(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  extension.erase(0, 1);
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char letter) { return char(std::tolower(letter)); });
  for (const Format& format : kFormats) {
    if (extension == format.extension) {
      return format;
    }
  }
  throw Problem(path + ": the output's name must end in .mp4, .mov, .webm or .mkv", kUsage);
}

GstVideoFormat prores_format(const Format& format, GstVideoFormat given) {
  return std::string_view(format.extension) == "mov" ? format_for_prores(given)
                                                     : GST_VIDEO_FORMAT_UNKNOWN;
}

const Part& video_part(const Format& format, GstVideoFormat given) {
  switch (prores_format(format, given)) {
    case GST_VIDEO_FORMAT_UNKNOWN:
      return format.video;
    case GST_VIDEO_FORMAT_I422_10LE:
      return kProRes422;
    default:
      return kProRes4444;
  }
}

void require(const Part& part) {
  GstElementFactory* factory = gst_element_factory_find(part.factory);
  if (factory == nullptr) {
    throw Problem(std::string("GStreamer's element ") + part.factory +
                  " is missing; on Debian: apt install " + part.package);
  }
  // encodebin2 looks only at those with a rank, and libav's encoders have none.
  gst_plugin_feature_set_rank(GST_PLUGIN_FEATURE(factory), GST_RANK_PRIMARY);
  gst_object_unref(factory);
}

CapsPtr caps_of(const char* text) { return CapsPtr(text ? gst_caps_from_string(text) : nullptr); }

/// PART's encoder and no other, with its properties.
void finish(GstEncodingProfile* profile, const Part& part) {
  gst_encoding_profile_set_preset_name(profile, part.factory);
  const std::string map =
      std::string("element-properties-map,map={[") + part.factory + "," + part.properties + "]}";
  gst_encoding_profile_set_element_properties(profile,
                                              gst_structure_from_string(map.c_str(), nullptr));
}

}  // namespace

void check_output_format(const std::string& path) {
  const Format& format = format_for(path);
  require(format.container);
  require(format.video);
  require(format.audio);
}

ProfilePtr profile_for(const std::string& path, GstVideoFormat given) {
  check_output_format(path);
  const Format& format = format_for(path);
  const Part& pictures_part = video_part(format, given);
  require(pictures_part);
  const CapsPtr container = caps_of(format.container.caps);
  const CapsPtr video = caps_of(pictures_part.caps);
  const CapsPtr restriction = caps_of(pictures_part.restriction);
  const CapsPtr audio = caps_of(format.audio.caps);

  GstEncodingContainerProfile* whole =
      gst_encoding_container_profile_new(nullptr, nullptr, container.get(), nullptr);
  ProfilePtr owner(GST_ENCODING_PROFILE(whole));
  GstEncodingVideoProfile* pictures =
      gst_encoding_video_profile_new(video.get(), nullptr, restriction.get(), 0);
  gst_encoding_video_profile_set_variableframerate(pictures, TRUE);
  finish(GST_ENCODING_PROFILE(pictures), pictures_part);
  gst_encoding_container_profile_add_profile(whole, GST_ENCODING_PROFILE(pictures));
  GstEncodingAudioProfile* sound = gst_encoding_audio_profile_new(audio.get(), nullptr, nullptr, 0);
  finish(GST_ENCODING_PROFILE(sound), format.audio);
  gst_encoding_container_profile_add_profile(whole, GST_ENCODING_PROFILE(sound));
  return owner;
}

GstVideoFormat encoded_format(const std::string& path, GstVideoFormat given) {
  const Format& format = format_for(path);
  if (format.video.factory == kFfv1.factory) {
    return format_for_ffv1(given);
  }
  const GstVideoFormat prores = prores_format(format, given);
  return prores == GST_VIDEO_FORMAT_UNKNOWN ? GST_VIDEO_FORMAT_I420 : prores;
}

SoundLimits sound_limits(const std::string& path) { return format_for(path).sound; }

void adapt_encoder(GstElement* encoder, guint64 samples) {
  // flacenc of GStreamer 1.22 sends its events in disorder where its first block is not a full one.
  // Blocks are short, so that shards, which a reader joins only where they have blocks of one
  // length, seldom need shorter ones.
  constexpr guint64 kBlock = 1152;
  constexpr guint64 kSmallest = 16;
  GstElementFactory* factory = gst_element_get_factory(encoder);
  if (factory != nullptr && g_strcmp0(GST_OBJECT_NAME(factory), kFlac.factory) == 0) {
    g_object_set(encoder, "blocksize", guint(std::clamp(samples / 2, kSmallest, kBlock)), nullptr);
  }
}

void complete(const std::string& file, const std::string& path, GstClockTime sound) {
  const guint64 priming = format_for(path).priming;
  if (priming > 0) {
    write_edit_list(file, path, priming, sound);
  }
}

std::string exact_caps(const std::string& path, GstVideoFormat given) {
  const Part& video = video_part(format_for(path), given);
  if (video.restriction != nullptr) {
    return "";
  }
  return std::string("video/x-raw,format=") +
         gst_video_format_to_string(encoded_format(path, given));
}

std::string lost_pixels(const std::string& path, GstVideoFormat decoded, GstVideoFormat given) {
  const std::string before = describe(decoded);
  const std::string after = describe(encoded_format(path, given));
  if (before == after) {
    return "";
  }
  const bool matroska_keeps = describe(format_for_ffv1(given)) == before;
  return "the video is " + before + " and becomes " + after + " in " + path +
         (matroska_keeps ? "; .mkv keeps it" : "");
}

bool takes_even_sizes_only(const std::string& path, GstVideoFormat given) {
  return video_part(format_for(path), given).factory == kH264.factory;
}

bool marks_fields(const std::string& path) {
  return format_for(path).video.factory != kVp9.factory;
}

}  // namespace latentsync::transcode
