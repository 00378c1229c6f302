#include "tests/gst/rig.h"

#include <stdexcept>

namespace latentsync::test {
namespace {

Ref<GstPad> new_sink_pad() {
  GstPad* pad = gst_pad_new("sink", GST_PAD_SINK);
  gst_object_ref_sink(pad);
  return Ref<GstPad>(pad);
}

Ref<GstElement> new_element() {
  GstElement* element = gst_element_factory_make("latentsync", nullptr);
  if (element == nullptr) throw std::runtime_error("there is no element latentsync");
  gst_object_ref_sink(element);
  return Ref<GstElement>(element);
}

void link(GstPad* source, GstPad* sink) {
  if (gst_pad_link(source, sink) != GST_PAD_LINK_OK) throw std::runtime_error("pads do not link");
}

Ref<GstPad> pad_of(GstElement* element, const char* name) {
  return Ref<GstPad>(gst_element_get_static_pad(element, name));
}

/// Fails the test unless OBJECT goes away.
class Gone {
 public:
  explicit Gone(gpointer object, std::string what) : object_(object), what_(std::move(what)) {
    g_object_add_weak_pointer(G_OBJECT(object_), &object_);
  }
  ~Gone() {
    if (object_ == nullptr) return;
    ADD_FAILURE() << what_ << " is leaked: " << GST_OBJECT_REFCOUNT_VALUE(object_) << " references";
    g_object_remove_weak_pointer(G_OBJECT(object_), &object_);
  }
  Gone(const Gone&) = delete;
  Gone& operator=(const Gone&) = delete;

 private:
  gpointer object_;
  std::string what_;
};

}  // namespace

Rig::Rig(Mode mode, const Properties& properties)
    : video("video", mode),
      audio("audio", mode),
      mode_(mode),
      pipeline_(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new(nullptr)))),
      element_(new_element()),
      bus_(gst_element_get_bus(pipeline_.get())),
      clock_(GST_CLOCK(gst_test_clock_new())),
      sink_(new_sink_pad()) {
  gst_pipeline_use_clock(GST_PIPELINE(pipeline_.get()), clock_.get());
  gst_bin_add(GST_BIN(pipeline_.get()), element_.get());
  gst_pad_set_element_private(sink_.get(), this);
  gst_pad_set_chain_function(sink_.get(), &Rig::chain);
  gst_pad_set_event_function(sink_.get(), &Rig::sink_event);
  gst_pad_set_query_function(sink_.get(), &Rig::sink_query);
  gst_pad_set_active(sink_.get(), TRUE);
  link(video.pad(), pad_of(element(), "video_sink").get());
  link(audio.pad(), pad_of(element(), "audio_sink").get());
  link(pad_of(element(), "src").get(), sink_.get());
  set("model-path", "fake:");
  for (const auto& [name, value] : properties) set(name, value);
}

Rig::~Rig() {
  const Gone element_gone(element_.get(), "the element");
  const Gone video_gone(pad_of(element(), "video_sink").get(), "video_sink");
  const Gone audio_gone(pad_of(element(), "audio_sink").get(), "audio_sink");
  const Gone source_gone(pad_of(element(), "src").get(), "src");
  stop();
  for (Feeder* feeder : {&video, &audio}) {
    if (GstPad* peer = gst_pad_get_peer(feeder->pad())) {
      gst_pad_unlink(feeder->pad(), peer);
      gst_object_unref(peer);
    }
  }
  if (GstPad* peer = gst_pad_get_peer(sink_.get())) {
    gst_pad_unlink(peer, sink_.get());
    gst_object_unref(peer);
  }
  gst_pad_set_active(sink_.get(), FALSE);
  messages_.clear();
  outputs_.clear();
  bus_.reset();
  element_.reset();
  pipeline_.reset();
}

void Rig::set(const std::string& property, const std::string& value) {
  if (g_object_class_find_property(G_OBJECT_GET_CLASS(element()), property.c_str()) == nullptr) {
    ADD_FAILURE() << "there is no property " << property;
    return;
  }
  gst_util_set_object_arg(G_OBJECT(element()), property.c_str(), value.c_str());
}

GstStateChangeReturn Rig::change(GstState state) {
  GstStateChangeReturn result = gst_element_set_state(pipeline_.get(), state);
  if (result == GST_STATE_CHANGE_ASYNC) {
    const auto limit = static_cast<GstClockTime>(patience(std::chrono::seconds(10)).count());
    result = gst_element_get_state(pipeline_.get(), nullptr, nullptr, limit * GST_MSECOND);
  }
  return result;
}

void Rig::start() {
  EXPECT_NE(change(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  if (mode_ == Mode::kLive) update_latency();
}

void Rig::stop() {
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  for (Feeder* feeder : {&video, &audio}) {
    if (!feeder->wait_idle()) ADD_FAILURE() << feeder->name_ << ": a push did not return at NULL";
  }
}

void Rig::keep_outputs(bool keep) {
  const std::lock_guard lock(mutex_);
  keep_ = keep;
}

void Rig::sink_delay(std::chrono::microseconds delay) {
  const std::lock_guard lock(mutex_);
  sink_delay_ = delay;
}

size_t Rig::buffers() const {
  const std::lock_guard lock(mutex_);
  return buffers_;
}

bool Rig::wait_buffers(size_t count, std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience(limit), [&] { return buffers_ >= count; });
}

bool Rig::wait_eos(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience(limit), [&] { return eos_; });
}

bool Rig::eos() const {
  const std::lock_guard lock(mutex_);
  return eos_;
}

std::vector<Output> Rig::take() {
  const std::lock_guard lock(mutex_);
  buffers_ = 0;
  eos_ = false;
  return std::exchange(outputs_, {});
}

std::vector<Ref<GstBuffer>> Rig::take_buffers() {
  std::vector<Ref<GstBuffer>> taken;
  for (Output& output : take()) {
    if (output.buffer) taken.push_back(std::move(output.buffer));
  }
  return taken;
}

void Rig::read_bus() {
  while (GstMessage* message = gst_bus_pop(bus_.get())) messages_.emplace_back(message);
}

std::vector<Ref<GstMessage>> Rig::messages(GstMessageType type) {
  read_bus();
  std::vector<Ref<GstMessage>> found;
  for (const auto& message : messages_) {
    if ((GST_MESSAGE_TYPE(message.get()) & type) != 0) found.push_back(share(message.get()));
  }
  return found;
}

std::vector<Ref<GstMessage>> Rig::element_messages(const std::string& name) {
  std::vector<Ref<GstMessage>> found;
  for (auto& message : messages(GST_MESSAGE_ELEMENT)) {
    if (gst_message_has_name(message.get(), name.c_str())) found.push_back(std::move(message));
  }
  return found;
}

void Rig::drop_messages() {
  read_bus();
  messages_.clear();
}

bool Rig::wait_message(GstMessageType type, size_t count, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + patience(limit);
  while (messages(type).size() < count) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    if (GstMessage* message = gst_bus_timed_pop(bus_.get(), 20 * GST_MSECOND)) {
      messages_.emplace_back(message);
    }
  }
  return true;
}

bool Rig::query(GstQuery* query) { return gst_pad_peer_query(sink_.get(), query); }

bool Rig::send_upstream(GstEvent* event) { return gst_pad_push_event(sink_.get(), event); }

bool Rig::seek(const std::function<void(Rig&, bool video)>& feed, GstClockTime time) {
  video.seekable = audio.seekable = true;
  video.on_seek = [&](GstEvent*) { feed(*this, true); };
  audio.on_seek = [&](GstEvent*) { feed(*this, false); };
  constexpr auto flags = static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE);
  const bool done =
      send_upstream(gst_event_new_seek(1.0, GST_FORMAT_TIME, flags, GST_SEEK_TYPE_SET,
                                       static_cast<gint64>(time), GST_SEEK_TYPE_NONE, 0));
  video.on_seek = audio.on_seek = nullptr;
  return done;
}

Rig::Latency Rig::update_latency() {
  const Ref<GstQuery> question(gst_query_new_latency());
  if (!query(question.get())) {
    ADD_FAILURE() << "the latency query is not answered";
    return {};
  }
  gboolean live = FALSE;
  Latency latency;
  gst_query_parse_latency(question.get(), &live, &latency.least, &latency.most);
  latency.live = live;
  send_upstream(gst_event_new_latency(latency.least));
  return latency;
}

void Rig::set_time(GstClockTime time) {
  auto* clock = GST_TEST_CLOCK(clock_.get());
  gst_test_clock_set_time(clock, time);
  // Who waits for an earlier time is woken; a test clock does not do that by itself.
  GstClockID waiting = nullptr;
  while (gst_test_clock_peek_next_pending_id(clock, &waiting)) {
    const bool due = gst_clock_id_get_time(waiting) <= time;
    gst_clock_id_unref(waiting);
    if (!due) return;
    if (GstClockID woken = gst_test_clock_process_next_clock_id(clock)) gst_clock_id_unref(woken);
  }
}

bool Rig::wait_buffers_at(GstClockTime time, size_t count, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + patience(limit);
  do {
    set_time(time);
    if (wait_buffers(count, std::chrono::milliseconds(5))) return true;
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

void Rig::use_system_clock() {
  clock_.reset(gst_system_clock_obtain());
  gst_pipeline_use_clock(GST_PIPELINE(pipeline_.get()), clock_.get());
}

GstFlowReturn Rig::chain(GstPad* pad, GstObject*, GstBuffer* buffer) {
  auto* self = static_cast<Rig*>(gst_pad_get_element_private(pad));
  Ref<GstBuffer> owned(buffer);
  std::unique_lock lock(self->mutex_);
  if (const auto delay = self->sink_delay_; delay.count() > 0) {
    lock.unlock();
    std::this_thread::sleep_for(delay);
    lock.lock();
  }
  ++self->buffers_;
  if (self->keep_) self->outputs_.push_back({std::move(owned), nullptr});
  self->changed_.notify_all();
  return self->sink_flow;
}

gboolean Rig::sink_event(GstPad* pad, GstObject*, GstEvent* event) {
  auto* self = static_cast<Rig*>(gst_pad_get_element_private(pad));
  Ref<GstEvent> owned(event);
  const std::lock_guard lock(self->mutex_);
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS) self->eos_ = true;
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP) {
    self->eos_ = false;
    self->buffers_ = 0;
    self->outputs_.clear();
  }
  if (self->keep_) self->outputs_.push_back({nullptr, std::move(owned)});
  self->changed_.notify_all();
  return TRUE;
}

gboolean Rig::sink_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  auto* self = static_cast<Rig*>(gst_pad_get_element_private(pad));
  if (GST_QUERY_TYPE(query) == GST_QUERY_ALLOCATION) {
    return self->allocation && self->allocation(query);
  }
  if (GST_QUERY_TYPE(query) == GST_QUERY_CAPS) {
    GstCaps* filter = nullptr;
    gst_query_parse_caps(query, &filter);
    const Ref<GstCaps> any(filter ? gst_caps_ref(filter) : gst_caps_new_any());
    gst_query_set_caps_result(query, any.get());
    return TRUE;
  }
  if (GST_QUERY_TYPE(query) == GST_QUERY_ACCEPT_CAPS) {
    gst_query_set_accept_caps_result(query, TRUE);
    return TRUE;
  }
  return gst_pad_query_default(pad, parent, query);
}

}  // namespace latentsync::test
