#include "examples/transcode/cache_room.h"

#include "examples/transcode/handles.h"

namespace latentsync::transcode {
namespace {

constexpr guint64 kMebibyte = 1 << 20;
constexpr guint64 kSmall = 512;          // bytes of a frame: its results, its share of the window's
constexpr guint64 kDefaultSize = 10240;  // MiB, as disk-cache-size has it

/// Of a frame with one face in the cache (docs/cache.md): three times its latents, which have four
/// channels, the mask's one, and what is small.
guint64 frame_bytes(const GstStructure* stats) {
  gint64 resolution = 0;
  gst_structure_get_int64(stats, "resolution", &resolution);
  const bool wide = g_strcmp0(gst_structure_get_string(stats, "precision"), "float32") == 0;
  const guint64 edge = guint64(resolution / 8);
  return edge == 0 ? 0 : (3 * 4 + 1) * edge * edge * (wide ? 4 : 2) + kSmall;
}

}  // namespace

std::string cache_room(GstElement* element, guint64 frames) {
  gint64 size = 0;
  GstStructure* stats = nullptr;
  g_object_get(element, "disk-cache-size", &size, "stats", &stats, nullptr);
  const StructurePtr owner(stats);
  const guint64 frame = frame_bytes(stats);
  const guint64 room = (size > 0 ? guint64(size) : kDefaultSize) * kMebibyte;
  if (frame == 0 || frames <= room / frame) {
    return "";
  }
  const guint64 needed = frames * frame / kMebibyte + 1;
  return "the cache has room for " + std::to_string(room / frame) + " of the " +
         std::to_string(frames) +
         " frames; if this job is stopped and started again, the others are rendered anew; "
         "--set disk-cache-size=" +
         std::to_string(needed) + " keeps all of them";
}

}  // namespace latentsync::transcode
