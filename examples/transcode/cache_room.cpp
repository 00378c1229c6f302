#include "examples/transcode/cache_room.h"

#include "examples/transcode/handles.h"

namespace latentsync::transcode {
namespace {

constexpr guint64 kMebibyte = 1 << 20;
constexpr guint64 kDefaultSize = 10240;  // MiB, as disk-cache-size has it

/// Of a face's image in the cache (docs/cache.md).
guint64 image_bytes(const GstStructure* stats) {
  gint64 resolution = 0;
  gst_structure_get_int64(stats, "resolution", &resolution);
  const bool wide = g_strcmp0(gst_structure_get_string(stats, "precision"), "float32") == 0;
  return guint64(3 * resolution * resolution) * (wide ? 4 : 2);
}

}  // namespace

std::string cache_room(GstElement* element, guint64 frames) {
  gint64 size = 0;
  GstStructure* stats = nullptr;
  g_object_get(element, "disk-cache-size", &size, "stats", &stats, nullptr);
  const StructurePtr owner(stats);
  const guint64 image = image_bytes(stats);
  const guint64 room = (size > 0 ? guint64(size) : kDefaultSize) * kMebibyte;
  if (image == 0 || frames <= room / image) {
    return "";
  }
  // When it is full, a sixteenth of it is emptied at once.
  const guint64 needed = frames * image / kMebibyte * 17 / 16 + 1;
  return "the cache has room for " + std::to_string(room / image) + " of the " +
         std::to_string(frames) +
         " frames, and the first ones are removed first: if this job is stopped, it begins anew; "
         "--set disk-cache-size=" +
         std::to_string(needed) + " keeps all of them";
}

}  // namespace latentsync::transcode
