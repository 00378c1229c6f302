#include "tests/gst/told.h"

namespace latentsync::test {

std::string sentence_of(GstMessage* message) {
  GError* error = nullptr;
  gchar* debug = nullptr;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error(message, &error, &debug);
  } else {
    gst_message_parse_warning(message, &error, &debug);
  }
  const std::string text = std::string(error->message) + " | " + (debug ? debug : "");
  g_error_free(error);
  g_free(debug);
  return text;
}

std::vector<std::string> sentences_of(Rig& rig, GstMessageType type) {
  std::vector<std::string> all;
  for (const auto& message : rig.messages(type)) all.push_back(sentence_of(message.get()));
  return all;
}

Ref<GstStructure> stats_of(GstElement* element) {
  GstStructure* stats = nullptr;
  g_object_get(element, "stats", &stats, nullptr);
  return Ref<GstStructure>(stats);
}

Ref<GstStructure> stats_of(Rig& rig) { return stats_of(rig.element()); }

int64_t number(const GstStructure* structure, const char* name) {
  const GValue* value = gst_structure_get_value(structure, name);
  GValue whole = G_VALUE_INIT;
  g_value_init(&whole, G_TYPE_INT64);
  if (value == nullptr || !g_value_transform(value, &whole)) return -1;
  return g_value_get_int64(&whole);
}

std::string text_of(const GstStructure* structure) {
  gchar* text = gst_structure_to_string(structure);
  std::string result = text;
  g_free(text);
  return result;
}

std::vector<GstEvent*> events_of(const std::vector<Output>& outputs, GstEventType type) {
  std::vector<GstEvent*> found;
  for (const Output& output : outputs) {
    if (output.event && GST_EVENT_TYPE(output.event.get()) == type) {
      found.push_back(output.event.get());
    }
  }
  return found;
}

std::vector<Ref<GstBuffer>> buffers_of(std::vector<Output>&& outputs) {
  std::vector<Ref<GstBuffer>> buffers;
  for (Output& output : outputs) {
    if (output.buffer) buffers.push_back(std::move(output.buffer));
  }
  return buffers;
}

}  // namespace latentsync::test
