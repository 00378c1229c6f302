#include "gst/debug.h"
#include "gst/element.h"

#include <algorithm>

/// The latency that is answered to downstream, and kept to.
namespace latentsync {
namespace {

struct Latency {
  gboolean live = FALSE;
  GstClockTime least = 0;
  GstClockTime most = GST_CLOCK_TIME_NONE;
};

Latency ask(GstPad* pad) {
  Latency latency;
  const QueryPtr query(gst_query_new_latency());
  if (gst_pad_peer_query(pad, query.get())) {
    gst_query_parse_latency(query.get(), &latency.live, &latency.least, &latency.most);
  }
  return latency;
}

/// Of both sources. One that is not live waits for nobody.
Latency ask_upstream(const Element& element) {
  const Latency video = ask(element.pads.video);
  const Latency audio = ask(element.pads.audio);
  if (!video.live) return audio.live ? audio : video;
  if (!audio.live) return video;
  return {TRUE, std::max(video.least, audio.least), std::min(video.most, audio.most)};
}

/// Keeps what upstream says. Whether that is news to the pipeline.
bool keep(Element& element, const Latency& latency) {
  element.ask_latency = false;
  const std::lock_guard lock(element.monitor->mutex);
  const bool changed = element.source.timing().set_upstream(latency.live, latency.least);
  if (changed) {
    GST_DEBUG_OBJECT(element.self, "upstream is %slive, with a latency of %" GST_TIME_FORMAT,
                     latency.live ? "" : "not ", GST_TIME_ARGS(latency.least));
    element.monitor->notify();
  }
  return changed && latency.live;
}

}  // namespace

void look_up_latency(Element& element) {
  if (keep(element, ask_upstream(element))) post_latency(element);
}

gboolean answer_latency(Element& element, GstQuery* query) {
  const Latency latency = ask_upstream(element);
  keep(element, latency);
  GstClockTime own;
  {
    const std::lock_guard lock(element.monitor->mutex);
    own = element.source.timing().own();
  }
  const bool bounded = GST_CLOCK_TIME_IS_VALID(latency.most);
  GST_DEBUG_OBJECT(element.self, "latency: upstream %" GST_TIME_FORMAT " and %" GST_TIME_FORMAT,
                   GST_TIME_ARGS(latency.least), GST_TIME_ARGS(own));
  gst_query_set_latency(query, latency.live, latency.least + own,
                        bounded ? latency.most + own : GST_CLOCK_TIME_NONE);
  return TRUE;
}

bool update_own_latency(Element& element) {
  if (!element.source.update_latency()) return false;
  element.monitor->notify();
  return true;
}

void post_latency(Element& element) {
  gst_element_post_message(element.self, gst_message_new_latency(GST_OBJECT(element.self)));
}

}  // namespace latentsync
