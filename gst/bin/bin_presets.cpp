#include "gst/bin/speech_bin.h"

/// Presets. They are kept by the name of a type: the bin's are the element's, whose properties it
/// has, so that what is installed and what a user has saved holds for both.
namespace latentsync {
namespace {

GstPreset* inside(GstPreset* preset) { return GST_PRESET(speech_bin_of(preset).element); }

gchar** get_preset_names(GstPreset* preset) { return gst_preset_get_preset_names(inside(preset)); }
gchar** get_property_names(GstPreset* preset) {
  return gst_preset_get_property_names(inside(preset));
}
gboolean load_preset(GstPreset* preset, const gchar* name) {
  return gst_preset_load_preset(inside(preset), name);
}
gboolean save_preset(GstPreset* preset, const gchar* name) {
  return gst_preset_save_preset(inside(preset), name);
}
gboolean rename_preset(GstPreset* preset, const gchar* old_name, const gchar* new_name) {
  return gst_preset_rename_preset(inside(preset), old_name, new_name);
}
gboolean delete_preset(GstPreset* preset, const gchar* name) {
  return gst_preset_delete_preset(inside(preset), name);
}
gboolean set_meta(GstPreset* preset, const gchar* name, const gchar* tag, const gchar* value) {
  return gst_preset_set_meta(inside(preset), name, tag, value);
}
gboolean get_meta(GstPreset* preset, const gchar* name, const gchar* tag, gchar** value) {
  return gst_preset_get_meta(inside(preset), name, tag, value);
}

}  // namespace

void init_bin_presets(GstPresetInterface* interface) {
  interface->get_preset_names = get_preset_names;
  interface->get_property_names = get_property_names;
  interface->load_preset = load_preset;
  interface->save_preset = save_preset;
  interface->rename_preset = rename_preset;
  interface->delete_preset = delete_preset;
  interface->set_meta = set_meta;
  interface->get_meta = get_meta;
}

}  // namespace latentsync
