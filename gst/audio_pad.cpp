#include "gst/debug.h"
#include "gst/element.h"

#include <utility>

/// The request pad audio_src: how it comes and goes, and what its downstream asks for and sends.
/// What is about the audio goes to the audio's source; seeks are the element's.
namespace latentsync {
namespace {

/// The pad is activated before it has a parent.
Element& owner_of(GstPad* pad) { return *static_cast<Element*>(gst_pad_get_element_private(pad)); }

void run_turn(gpointer data) {
  GstPad* const pad = GST_PAD(data);
  Element& element = owner_of(pad);
  try {
    element.audio_output.turn(pad);
  } catch (...) {
    element.fail(current_failure());
  }
}

gboolean activate(GstPad* pad, GstObject*, GstPadMode mode, gboolean active) {
  if (mode != GST_PAD_MODE_PUSH) return FALSE;
  if (!active) return gst_pad_stop_task(pad);
  owner_of(pad).start_audio_task();
  return TRUE;
}

gboolean event(Element& element, GstPad* pad, GstEvent* event) {
  GST_DEBUG_OBJECT(pad, "arrived: %" GST_PTR_FORMAT, event);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_SEEK:
      return seek(element, event);
    case GST_EVENT_RECONFIGURE: {
      const std::lock_guard lock(element.monitor->mutex);
      element.audio_output.relinked();
    }
      [[fallthrough]];
    default:
      return gst_pad_push_event(element.pads.audio, event);
  }
}

gboolean query(Element& element, GstPad* pad, GstQuery* query) {
  return answer_downstream(element, pad, element.pads.audio, query);
}

}  // namespace

void Element::start_audio_task() {
  const std::lock_guard lock(task_mutex);
  GstPad* pad;
  {
    const std::lock_guard monitor_lock(monitor->mutex);
    pad = audio_output.pad();
  }
  if (may_run && pad) gst_pad_start_task(pad, run_turn, pad, nullptr);
}

GstPad* request_audio_pad(Element& element, GstPadTemplate* pad_template) {
  GstPad* const pad = gst_pad_new_from_template(pad_template, "audio_src");
  gst_pad_set_element_private(pad, &element);
  gst_pad_set_activatemode_function(pad, activate);
  gst_pad_set_event_function(pad, (PadFunction<event, FALSE>::call));
  gst_pad_set_query_function(pad, (PadFunction<query, FALSE>::call));
  bool running;
  {
    const std::lock_guard task_lock(element.task_mutex);
    const std::lock_guard lock(element.monitor->mutex);
    if (element.audio_output.pad()) {
      GST_WARNING_OBJECT(element.self, "there is one audio_src already");
      gst_object_unref(gst_object_ref_sink(pad));
      return nullptr;
    }
    element.audio_output.open(pad);
    running = element.may_run;
  }
  if (running) gst_pad_set_active(pad, TRUE);
  gst_element_add_pad(element.self, pad);
  return pad;
}

void release_audio_pad(Element& element, GstPad* pad) {
  {
    // The task is not started by a flush after this.
    const std::lock_guard task_lock(element.task_mutex);
    const std::lock_guard lock(element.monitor->mutex);
    element.audio_output.close();
  }
  gst_pad_set_active(pad, FALSE);
  gst_element_remove_pad(element.self, pad);
}

gboolean flush_audio(Element& element, EventPtr event) {
  const bool begins = GST_EVENT_TYPE(event.get()) == GST_EVENT_FLUSH_START;
  PadPtr pad;
  {
    const std::lock_guard lock(element.monitor->mutex);
    Input& input = element.input;
    if (begins) {
      input.audio.begin_flush(gst_event_get_seqnum(event.get()));
      element.audio_output.flush();
    }
    if (GstPad* const out = element.audio_output.pad()) pad.reset(GST_PAD(gst_object_ref(out)));
    element.monitor->notify();
  }
  if (pad) {
    gst_pad_push_event(pad.get(), event.release());
    // Until the turn of its task that was going on has ended.
    if (begins) gst_pad_pause_task(pad.get());
  }
  if (begins) return TRUE;
  element.speech.reset();
  {
    const std::lock_guard lock(element.monitor->mutex);
    Input& input = element.input;
    input.audio.end_flush();
    if (input.audio.flush_seqnum() != input.video.flush_seqnum()) {
      input.audio_flushed = std::chrono::steady_clock::now();
    }
    element.audio_output.resume();
    element.monitor->notify();
  }
  element.start_audio_task();
  return TRUE;
}

}  // namespace latentsync
