#include "examples/transcode/reading_tasks.h"

namespace latentsync::transcode {
namespace {

/// Whether ELEMENT has a task that reads the file: that of a source, or of what pulls from one. The
/// tasks of queues hand on what others have read.
bool has_reading_task(GstElement* element) {
  struct Task {
    bool of_source;
    bool found;
  } task{GST_OBJECT_FLAG_IS_SET(element, GST_ELEMENT_FLAG_SOURCE) != 0, false};
  gst_element_foreach_pad(
      element,
      [](GstElement*, GstPad* pad, gpointer result) -> gboolean {
        auto& [of_source, found] = *static_cast<Task*>(result);
        found |=
            (of_source || GST_PAD_IS_SINK(pad)) && gst_pad_get_task_state(pad) == GST_TASK_STARTED;
        return TRUE;
      },
      &task);
  return task.found;
}

}  // namespace

bool is_reading(GstBin* bin) {
  GstIterator* all = gst_bin_iterate_recurse(bin);
  const auto find = [](const GValue* value, GValue* result, gpointer) -> gboolean {
    auto* element = static_cast<GstElement*>(g_value_get_object(value));
    const bool reads = !GST_IS_BIN(element) && has_reading_task(element);
    g_value_set_boolean(result, reads || g_value_get_boolean(result));
    return TRUE;
  };
  GValue result = G_VALUE_INIT;
  g_value_init(&result, G_TYPE_BOOLEAN);
  GstIteratorResult state;
  do {
    g_value_set_boolean(&result, FALSE);
    state = gst_iterator_fold(all, find, &result, nullptr);
    if (state == GST_ITERATOR_RESYNC) {
      gst_iterator_resync(all);
    }
  } while (state == GST_ITERATOR_RESYNC);
  gst_iterator_free(all);
  return g_value_get_boolean(&result) != FALSE;
}

}  // namespace latentsync::transcode
