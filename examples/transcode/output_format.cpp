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
constexpr Part kH264Deep = {"video/x-h264,profile=high-10", "video/x-raw,format=I420_10LE",
                            kH264.factory, kH264.properties, kH264.package};
constexpr Part kHevcDeep = {"video/x-h265,profile=main-10", "video/x-raw,format=I420_10LE",
                            "x265enc", "option-string=\"crf=14:bframes=0:log-level=0\"",
                            "gstreamer1.0-plugins-bad"};
constexpr Part kVp9Deep = {"video/x-vp9,profile=(string)2", "video/x-raw,format=I420_10LE",
                           kVp9.factory, kVp9.properties, kVp9.package};
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

/// What --profile can name.
struct Profile {
  const char* name;
  const char* extensions;  ///< of files that can hold it, with blanks between
  Part video;
};

constexpr std::array<Profile, 8> kProfiles = {{
    {"h264", "mp4 mov mkv", kH264},
    {"h264-10bit", "mp4 mov mkv", kH264Deep},
    {"hevc-10bit", "mp4 mov mkv", kHevcDeep},
    {"prores", "mov", kProRes422},
    {"prores-4444", "mov", kProRes4444},
    {"vp9", "webm", kVp9},
    {"vp9-10bit", "webm", kVp9Deep},
    {"ffv1", "mkv", kFfv1},
}};

bool holds(const Profile& profile, const char* extension) {
  const std::string all = std::string(" ") + profile.extensions + " ";
  return all.find(std::string(" ") + extension + " ") != std::string::npos;
}

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

/// The one that TARGET names, or null.
const Profile* profile_of(const Target& target) {
  if (target.profile.empty()) {
    return nullptr;
  }
  const char* extension = format_for(target.path).extension;
  std::string fitting;
  for (const Profile& profile : kProfiles) {
    if (!holds(profile, extension)) {
      continue;
    }
    if (target.profile == profile.name) {
      return &profile;
    }
    fitting += (fitting.empty() ? "" : ", ") + std::string(profile.name);
  }
  throw Problem(
      "--profile " + target.profile + ": ." + extension + " has no such profile; it has " + fitting,
      kUsage);
}

const Part& video_part(const Target& target, GstVideoFormat given) {
  if (const Profile* profile = profile_of(target)) {
    return profile->video;
  }
  const Format& format = format_for(target.path);
  const bool editing = std::string_view(format.extension) == "mov";
  switch (editing ? format_for_prores(given) : GST_VIDEO_FORMAT_UNKNOWN) {
    case GST_VIDEO_FORMAT_UNKNOWN:
      return format.video;
    case GST_VIDEO_FORMAT_I422_10LE:
      return kProRes422;
    default:
      return kProRes4444;
  }
}

bool is(const Part& one, const Part& other) {
  return std::string_view(one.caps) == other.caps &&
         std::string_view(one.properties) == other.properties;
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

/// The muxer pushes events right before its header, for which it draws a number. Others have drawn
/// some by then, as many as files were opened.
GstPadProbeReturn before_header(GstPad*, GstPadProbeInfo*, gpointer seed) {
  g_random_set_seed(guint32(GPOINTER_TO_UINT(seed)));
  return GST_PAD_PROBE_OK;
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

void check_output_format(const Target& target) {
  const Format& format = format_for(target.path);
  require(format.container);
  require(video_part(target, GST_VIDEO_FORMAT_UNKNOWN));
  require(format.audio);
}

ProfilePtr profile_for(const Target& target, GstVideoFormat given, bool with_sound) {
  check_output_format(target);
  const Format& format = format_for(target.path);
  const Part& pictures_part = video_part(target, given);
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
  if (!with_sound) {
    return owner;
  }
  GstEncodingAudioProfile* sound = gst_encoding_audio_profile_new(audio.get(), nullptr, nullptr, 0);
  finish(GST_ENCODING_PROFILE(sound), format.audio);
  gst_encoding_container_profile_add_profile(whole, GST_ENCODING_PROFILE(sound));
  return owner;
}

GstVideoFormat encoded_format(const Target& target, GstVideoFormat given) {
  const Part& video = video_part(target, given);
  if (is(video, kFfv1)) {
    return format_for_ffv1(given);
  }
  if (is(video, kProRes422)) {
    return GST_VIDEO_FORMAT_I422_10LE;
  }
  if (is(video, kProRes4444)) {
    const GstVideoFormat exact = format_for_prores(given);
    return exact == GST_VIDEO_FORMAT_A444_10LE || has_alpha(given) ? GST_VIDEO_FORMAT_A444_10LE
                                                                   : GST_VIDEO_FORMAT_Y444_10LE;
  }
  const bool deep = std::string_view(video.restriction).ends_with("_10LE");
  return deep ? GST_VIDEO_FORMAT_I420_10LE : GST_VIDEO_FORMAT_I420;
}

SoundLimits sound_limits(const std::string& path) { return format_for(path).sound; }

void adapt_encoder(GstElement* element, guint64 samples) {
  // flacenc of GStreamer 1.22 sends its events in disorder where its first block is not a full one.
  // Blocks are short, so that shards, which a reader joins only where they have blocks of one
  // length, seldom need shorter ones.
  constexpr guint64 kBlock = 1152;
  constexpr guint64 kSmallest = 16;
  GstElementFactory* factory = gst_element_get_factory(element);
  const std::string_view name = factory == nullptr ? "" : GST_OBJECT_NAME(factory);
  if (name == kFlac.factory) {
    g_object_set(element, "blocksize", guint(std::clamp(samples / 2, kSmallest, kBlock)), nullptr);
  }
  // They write when a file was made, and draw numbers for the file and its tracks.
  if (name == "matroskamux" || name == "webmmux") {
    GDateTime* zero = g_date_time_new_utc(2001, 1, 1, 0, 0, 0);
    g_object_set(element, "creation-time", zero, nullptr);
    g_date_time_unref(zero);
    g_random_set_seed(guint32(samples));
    const PadPtr pad(gst_element_get_static_pad(element, "src"));
    gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, before_header,
                      GUINT_TO_POINTER(guint32(samples)), nullptr);
  }
}

void complete(const std::string& file, const std::string& path, GstClockTime sound) {
  const guint64 priming = format_for(path).priming;
  if (priming > 0) {
    write_edit_list(file, path, priming, sound);
  }
}

std::string exact_caps(const Target& target, GstVideoFormat given) {
  const Part& video = video_part(target, given);
  if (video.restriction != nullptr) {
    return "";
  }
  return std::string("video/x-raw,format=") +
         gst_video_format_to_string(encoded_format(target, given));
}

std::string lost_pixels(const Target& target, GstVideoFormat decoded, GstVideoFormat given) {
  const GstVideoFormat encoded = encoded_format(target, given);
  // More than a wish asks for is no loss; by itself no format is changed without a word.
  if (describe(encoded) == describe(decoded) ||
      (!target.profile.empty() && keeps(encoded, decoded))) {
    return "";
  }
  const std::string before = describe(decoded);
  const bool matroska_keeps = describe(format_for_ffv1(given)) == before;
  return "the video is " + before + " and becomes " + describe(encoded) + " in " + target.path +
         (!matroska_keeps                                          ? ""
          : format_for(target.path).video.factory == kFfv1.factory ? "; --profile ffv1 keeps it"
                                                                   : "; .mkv keeps it");
}

bool takes_even_sizes_only(const Target& target, GstVideoFormat given) {
  const std::string_view factory = video_part(target, given).factory;
  return factory == kH264.factory || factory == kHevcDeep.factory;
}

bool marks_fields(const Target& target) {
  return format_for(target.path).video.factory != kVp9.factory;
}

}  // namespace latentsync::transcode
