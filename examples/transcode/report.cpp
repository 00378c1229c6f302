#include "examples/transcode/report.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

namespace latentsync::transcode {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const GValue* value);

Json to_json(const GstStructure* structure) {
  Json object = Json::object();
  for (gint index = 0; index < gst_structure_n_fields(structure); ++index) {
    const gchar* name = gst_structure_nth_field_name(structure, index);
    object[name] = to_json(gst_structure_get_value(structure, name));
  }
  return object;
}

Json to_json(const GValue* value) {
  if (GST_VALUE_HOLDS_STRUCTURE(value)) {
    return to_json(gst_value_get_structure(value));
  }
  if (G_VALUE_HOLDS_BOOLEAN(value)) {
    return g_value_get_boolean(value) != FALSE;
  }
  if (G_VALUE_HOLDS_STRING(value)) {
    const gchar* text = g_value_get_string(value);
    return text == nullptr ? Json() : Json(text);
  }
  for (const GType type :
       {G_TYPE_DOUBLE, G_TYPE_FLOAT, G_TYPE_INT, G_TYPE_UINT, G_TYPE_INT64, G_TYPE_UINT64}) {
    if (!G_VALUE_HOLDS(value, type)) {
      continue;
    }
    GValue number = G_VALUE_INIT;
    const bool whole = type != G_TYPE_DOUBLE && type != G_TYPE_FLOAT;
    g_value_init(&number,
                 whole ? (type == G_TYPE_UINT64 ? G_TYPE_UINT64 : G_TYPE_INT64) : G_TYPE_DOUBLE);
    g_value_transform(value, &number);
    if (!whole) {
      return g_value_get_double(&number);
    }
    return type == G_TYPE_UINT64 ? Json(g_value_get_uint64(&number))
                                 : Json(g_value_get_int64(&number));
  }
  const TextPtr text(gst_value_serialize(value));
  return text ? Json(text.get()) : Json();
}

}  // namespace

void check_writable(const std::string& option, const std::string& file) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  // Who reads a pipe would take the check for the whole report.
  if (fs::is_other(file, ignored)) {
    return;
  }
  const bool there = fs::exists(file, ignored);
  if (!std::ofstream(file, std::ios::app)) {
    throw Problem(option + " " + file + ": cannot be written; name a file in an existing folder");
  }
  if (!there) {
    fs::remove(file, ignored);
  }
}

void write_report(const Clip& clip, const Measured& measured) {
  Json report;
  report["input"] = clip.input;
  report["audio"] = clip.audio.empty() ? clip.input : clip.audio;
  report["sound"] = clip.sound.empty() ? report["audio"] : Json(clip.sound);
  report["output"] = clip.output;
  report["whole"] = measured.whole;
  report["frames"] = measured.frames;
  report["start"] = double(measured.begin) / GST_SECOND;
  report["seconds"] = measured.seconds;
  report["frames_per_second"] = measured.frames_per_second;
  report["element"] = measured.element ? to_json(measured.element.get()) : Json();
  std::ofstream file(clip.stats);
  file << report.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  file.close();
  if (!file) {
    throw cannot_write(clip.stats, errno);
  }
}

}  // namespace latentsync::transcode
