#include "gst/debug.h"
#include "gst/element.h"
#include "gst/output/topology.h"

#include <utility>

/// Seeks: both sources go to the same place, the video's first. Nothing is flushed here: where a
/// source refuses, nothing has happened; where it seeks, its own flush comes down.
namespace latentsync {
namespace {

constexpr auto kNearby = static_cast<GstSeekFlags>(
    GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_BEFORE | GST_SEEK_FLAG_SNAP_AFTER);

struct Seek {
  gdouble rate = 1;
  GstFormat format = GST_FORMAT_UNDEFINED;
  GstSeekFlags flags = GST_SEEK_FLAG_NONE;
  GstSeekType start_type = GST_SEEK_TYPE_NONE;
  gint64 start = 0;
  GstSeekType stop_type = GST_SEEK_TYPE_NONE;
  gint64 stop = 0;

  explicit Seek(GstEvent* event) {
    gst_event_parse_seek(event, &rate, &format, &flags, &start_type, &start, &stop_type, &stop);
  }
  bool flushes() const { return (flags & GST_SEEK_FLAG_FLUSH) != 0; }
};

/// What speaks against a seek; null where nothing does.
const char* objection(const Element& element, const Seek& seek) {
  if (seek.format != GST_FORMAT_TIME) {
    return "frames and audio are matched by time: seek in GST_FORMAT_TIME";
  }
  if (!seek.flushes()) return nullptr;
  if (!is_seekable(element.pads.video)) return "what feeds video_sink cannot seek";
  if (seek.rate > 0 && !is_seekable(element.pads.audio)) return "what feeds audio_sink cannot seek";
  return nullptr;
}

/// The seek as both sources are to make it: to the very place, since the nearest key frame of the
/// video is not where the audio would go.
EventPtr accurate(const Seek& seek, GstEvent* event) {
  if (seek.flags & GST_SEEK_FLAG_INSTANT_RATE_CHANGE) return EventPtr(gst_event_ref(event));
  const auto flags = static_cast<GstSeekFlags>((seek.flags & ~kNearby) | GST_SEEK_FLAG_ACCURATE);
  EventPtr result(gst_event_new_seek(seek.rate, seek.format, flags, seek.start_type, seek.start,
                                     seek.stop_type, seek.stop));
  gst_event_set_seqnum(result.get(), gst_event_get_seqnum(event));
  GstClockTime interval = 0;
  gst_event_parse_seek_trickmode_interval(event, &interval);
  gst_event_set_seek_trickmode_interval(result.get(), interval);
  return result;
}

/// With whole audio that is not known yet: the audio from its start on, where nobody else would be
/// taken there. Null where the audio goes where the video goes.
EventPtr from_start(Element& element, const Seek& seek, GstEvent* event) {
  if (!seek.flushes() || seek.rate < 0 || seek.start_type != GST_SEEK_TYPE_SET) return nullptr;
  {
    const std::lock_guard lock(element.monitor->mutex);
    const AudioInput& audio = element.input.audio;
    if (!audio.whole() || audio.known()) return nullptr;
  }
  // The audio that leaves by audio_src has to be that of the video.
  if (way_out(element, false) || is_shared(element.pads.audio)) return nullptr;
  GST_DEBUG_OBJECT(element.self, "the audio is sought to its start, to be whole");
  EventPtr result(gst_event_new_seek(seek.rate, seek.format,
                                     static_cast<GstSeekFlags>(seek.flags & ~kNearby),
                                     GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0));
  gst_event_set_seqnum(result.get(), gst_event_get_seqnum(event));
  const std::lock_guard lock(element.monitor->mutex);
  element.input.audio.sought_to_start(gst_event_get_seqnum(event), seek.start);
  return result;
}

/// While one lives no window is begun: frames and audio of two places may be there.
class Seeking {
 public:
  explicit Seeking(Element& element) : element_(element) { set(true); }
  ~Seeking() { set(false); }
  Seeking(const Seeking&) = delete;
  Seeking& operator=(const Seeking&) = delete;

 private:
  void set(bool on) {
    const std::lock_guard lock(element_.monitor->mutex);
    element_.source.set_seeking(on);
  }
  Element& element_;
};

bool seek_both(Element& element, GstEvent* event) {
  const Seek seek(event);
  if (const char* reason = objection(element, seek)) {
    GST_WARNING_OBJECT(element.self, "%s", reason);
    return false;
  }
  const EventPtr both = accurate(seek, event);
  std::optional<Seeking> seeking;
  if (seek.flushes()) seeking.emplace(element);
  if (!gst_pad_push_event(element.pads.video, gst_event_ref(both.get()))) {
    GST_DEBUG_OBJECT(element.self, "what feeds video_sink refuses the seek");
    return false;
  }
  EventPtr to_start = from_start(element, seek, event);
  GstEvent* of_audio = to_start ? to_start.release() : gst_event_ref(both.get());
  if (gst_pad_push_event(element.pads.audio, of_audio)) return true;
  GST_DEBUG_OBJECT(element.self, "what feeds audio_sink refuses the seek");
  // Backwards no audio is needed.
  return seek.rate < 0;
}

}  // namespace

bool is_seekable(GstPad* pad) {
  const QueryPtr query(gst_query_new_seeking(GST_FORMAT_TIME));
  gboolean seekable = FALSE;
  if (gst_pad_peer_query(pad, query.get())) {
    gst_query_parse_seeking(query.get(), nullptr, &seekable, nullptr, nullptr);
  }
  return seekable;
}

gboolean seek(Element& element, GstEvent* raw) {
  const EventPtr event(raw);
  const guint32 seqnum = gst_event_get_seqnum(raw);
  {
    // Two sinks behind the element bring the same seek.
    const std::lock_guard lock(element.seek_mutex);
    if (seqnum == element.seek_seqnum) return element.seek_result;
  }
  const bool result = seek_both(element, raw);
  const std::lock_guard lock(element.seek_mutex);
  element.seek_seqnum = seqnum;
  element.seek_result = result;
  return result;
}

}  // namespace latentsync
