#include "tests/gst/rig.h"

namespace latentsync::test {
namespace {

/// A new source pad without a parent; the caller owns it.
Ref<GstPad> new_source_pad(const std::string& name) {
  GstPad* pad = gst_pad_new(name.c_str(), GST_PAD_SRC);
  gst_object_ref_sink(pad);
  return Ref<GstPad>(pad);
}

}  // namespace

Feeder::Feeder(std::string name, Mode mode)
    : name_(std::move(name)), mode_(mode), pad_(new_source_pad(name_)) {
  gst_pad_set_element_private(pad_.get(), this);
  gst_pad_set_query_function(pad_.get(), &Feeder::query);
  gst_pad_set_event_function(pad_.get(), &Feeder::event);
  gst_pad_set_active(pad_.get(), TRUE);
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Feeder::~Feeder() {
  gst_pad_set_active(pad_.get(), FALSE);
  thread_.request_stop();
  thread_.join();
  for (GstMiniObject* item : queue_) gst_mini_object_unref(item);
}

void Feeder::begin(const std::string& caps_text, const GstSegment* given) {
  push(gst_event_new_stream_start(("test/" + name_).c_str()));
  caps(caps_text);
  GstSegment whole;
  gst_segment_init(&whole, GST_FORMAT_TIME);
  segment(given ? *given : whole);
}

void Feeder::push_item(GstMiniObject* item) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(item);
  changed_.notify_all();
}

void Feeder::push(Ref<GstBuffer> buffer) { push_item(GST_MINI_OBJECT_CAST(buffer.release())); }
void Feeder::push(GstEvent* event) { push_item(GST_MINI_OBJECT_CAST(event)); }
void Feeder::caps(const std::string& caps) { push(gst_event_new_caps(caps_of(caps).get())); }
void Feeder::segment(const GstSegment& segment) { push(gst_event_new_segment(&segment)); }
void Feeder::gap(GstClockTime time, GstClockTime duration) {
  push(gst_event_new_gap(time, duration));
}
void Feeder::eos() { push(gst_event_new_eos()); }

void Feeder::flush_start(guint32 number) {
  {
    const std::lock_guard lock(mutex_);
    flushing_ = true;
    drop_waiting();
  }
  GstEvent* event = gst_event_new_flush_start();
  if (number != GST_SEQNUM_INVALID) gst_event_set_seqnum(event, number);
  gst_pad_push_event(pad_.get(), event);
}

void Feeder::flush_stop(guint32 number) {
  if (!wait_idle()) ADD_FAILURE() << name_ << ": a push did not return after flush-start";
  GstEvent* event = gst_event_new_flush_stop(TRUE);
  if (number != GST_SEQNUM_INVALID) gst_event_set_seqnum(event, number);
  gst_pad_push_event(pad_.get(), event);
  const std::lock_guard lock(mutex_);
  flushing_ = false;
  flow_ = GST_FLOW_OK;
  changed_.notify_all();
}

void Feeder::drop_waiting() {
  // What a source sends once stays to be sent.
  std::erase_if(queue_, [](GstMiniObject* item) {
    if (GST_IS_EVENT(item) && (GST_EVENT_TYPE(item) == GST_EVENT_STREAM_START ||
                               GST_EVENT_TYPE(item) == GST_EVENT_CAPS)) {
      return false;
    }
    gst_mini_object_unref(item);
    return true;
  });
}

bool Feeder::wait_idle(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience(limit),
                           [this] { return !busy_ && (queue_.empty() || flushing_); });
}

size_t Feeder::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size() + (busy_ ? 1 : 0);
}

GstFlowReturn Feeder::flow() const {
  const std::lock_guard lock(mutex_);
  return flow_;
}

int Feeder::events(GstEventType type) const {
  const std::lock_guard lock(mutex_);
  int count = 0;
  for (const auto& event : events_) count += GST_EVENT_TYPE(event.get()) == type ? 1 : 0;
  return count;
}

Ref<GstEvent> Feeder::last_event(GstEventType type) const {
  const std::lock_guard lock(mutex_);
  for (auto at = events_.rbegin(); at != events_.rend(); ++at) {
    if (GST_EVENT_TYPE(at->get()) == type) return share(at->get());
  }
  return nullptr;
}

void Feeder::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !queue_.empty() && !flushing_; })) {
    GstMiniObject* item = queue_.front();
    queue_.pop_front();
    busy_ = true;
    std::chrono::microseconds delay{0};
    if (most_delay.count() > 0) {
      delay = std::chrono::microseconds(
          std::uniform_int_distribution<int64_t>(0, most_delay.count())(random_));
    }
    lock.unlock();
    if (delay.count() > 0) std::this_thread::sleep_for(delay);
    GstFlowReturn flow = GST_FLOW_OK;
    if (GST_IS_BUFFER(item)) {
      flow = gst_pad_push(pad_.get(), GST_BUFFER_CAST(item));
    } else {
      gst_pad_push_event(pad_.get(), GST_EVENT_CAST(item));
    }
    lock.lock();
    busy_ = false;
    if (flow != GST_FLOW_OK) {
      // A source stops here.
      if (!flushing_) flow_ = flow;
      drop_waiting();
    }
    changed_.notify_all();
  }
}

gboolean Feeder::query(GstPad* pad, GstObject* parent, GstQuery* query) {
  auto* self = static_cast<Feeder*>(gst_pad_get_element_private(pad));
  GstFormat format = GST_FORMAT_UNDEFINED;
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_LATENCY:
      gst_query_set_latency(query, self->mode_ == Mode::kLive, self->latency, GST_CLOCK_TIME_NONE);
      return TRUE;
    case GST_QUERY_POSITION:
      gst_query_parse_position(query, &format, nullptr);
      if (format != GST_FORMAT_TIME || self->position == GST_CLOCK_TIME_NONE) return FALSE;
      gst_query_set_position(query, GST_FORMAT_TIME, static_cast<gint64>(self->position));
      return TRUE;
    case GST_QUERY_DURATION:
      gst_query_parse_duration(query, &format, nullptr);
      if (format != GST_FORMAT_TIME || self->duration == GST_CLOCK_TIME_NONE) return FALSE;
      gst_query_set_duration(query, GST_FORMAT_TIME, static_cast<gint64>(self->duration));
      return TRUE;
    case GST_QUERY_SEEKING:
      gst_query_parse_seeking(query, &format, nullptr, nullptr, nullptr);
      if (format != GST_FORMAT_TIME) return FALSE;
      gst_query_set_seeking(query, format, self->seekable, 0, static_cast<gint64>(self->duration));
      return TRUE;
    default:
      return gst_pad_query_default(pad, parent, query);
  }
}

gboolean Feeder::event(GstPad* pad, GstObject*, GstEvent* event) {
  auto* self = static_cast<Feeder*>(gst_pad_get_element_private(pad));
  const guint32 number = gst_event_get_seqnum(event);
  const bool seek = GST_EVENT_TYPE(event) == GST_EVENT_SEEK;
  {
    const std::lock_guard lock(self->mutex_);
    self->events_.push_back(share(event));
  }
  if (seek && self->on_seek) {
    self->flush_start(number);
    self->flush_stop(number);
    self->on_seek(event);
  }
  gst_event_unref(event);
  return !(seek && self->refuses_seeks);
}

}  // namespace latentsync::test
