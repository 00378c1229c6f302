#include "gst/output/end_of_stream.h"

#include "gst/handles.h"

#include <memory>

namespace latentsync {

void push_end_of_stream(GstPad* pad) {
  const EventPtr begun(gst_pad_get_sticky_event(pad, GST_EVENT_STREAM_START, 0));
  if (!begun) {
    const std::unique_ptr<gchar, decltype(&g_free)> id(
        g_strdup_printf("%s-%08x%08x", GST_PAD_NAME(pad), g_random_int(), g_random_int()), g_free);
    gst_pad_push_event(pad, gst_event_new_stream_start(id.get()));
  }
  gst_pad_push_event(pad, gst_event_new_eos());
}

}  // namespace latentsync
