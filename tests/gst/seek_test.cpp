#include "tests/gst/clip.h"

namespace latentsync::test {
namespace {

class Seek : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Seek);

GstEvent* flushing_seek() {
  return gst_event_new_seek(1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0,
                            GST_SEEK_TYPE_NONE, 0);
}

/// A seek, and NULL from another thread at the worst time: the state change has ended the source
/// thread and stands before video_sink until the flush of audio_sink has begun that thread again.
/// STOPPING is called when it stands there.
void seek_while_stopping(Rig& rig, const std::function<void()>& stopping = {}) {
  const Ref<GstPad> video_sink(gst_element_get_static_pad(rig.element(), "video_sink"));
  std::jthread stopper;
  rig.video.seekable = rig.audio.seekable = true;
  rig.video.on_seek = [&](GstEvent*) {
    GST_PAD_STREAM_LOCK(video_sink.get());
    stopper = std::jthread([&] { rig.stop(); });
    while (GST_PAD_MODE(video_sink.get()) != GST_PAD_MODE_NONE) std::this_thread::yield();
    if (stopping) stopping();
  };
  rig.audio.on_seek = [](GstEvent*) {};
  rig.send_upstream(flushing_seek());
  GST_PAD_STREAM_UNLOCK(video_sink.get());
}

/// Blocks whoever posts that the model is loaded, until it is told to go on.
class LoadGate {
 public:
  explicit LoadGate(Rig& rig) : pipeline_(GST_ELEMENT(gst_element_get_parent(rig.element()))) {
    const Ref<GstBus> bus(gst_element_get_bus(pipeline_.get()));
    gst_bus_set_sync_handler(bus.get(), &LoadGate::message, this, nullptr);
  }
  ~LoadGate() {
    go_on();
    const Ref<GstBus> bus(gst_element_get_bus(pipeline_.get()));
    gst_bus_set_sync_handler(bus.get(), nullptr, nullptr, nullptr);
  }
  LoadGate(const LoadGate&) = delete;
  LoadGate& operator=(const LoadGate&) = delete;

  void wait() const { reached_.wait(false); }
  void go_on() {
    open_ = true;
    open_.notify_all();
  }

 private:
  static GstBusSyncReply message(GstBus*, GstMessage* message, gpointer data) {
    if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_PROGRESS) return GST_BUS_PASS;
    GstProgressType type = GST_PROGRESS_TYPE_ERROR;
    gst_message_parse_progress(message, &type, nullptr, nullptr);
    if (type != GST_PROGRESS_TYPE_COMPLETE) return GST_BUS_PASS;
    auto* self = static_cast<LoadGate*>(data);
    self->reached_ = true;
    self->reached_.notify_all();
    self->open_.wait(false);
    return GST_BUS_PASS;
  }

  Ref<GstElement> pipeline_;
  std::atomic<bool> reached_ = false;
  std::atomic<bool> open_ = false;
};

// NULL during a seek: the source thread that the seek begins again finds all that it needs, however
// long the inference thread takes to end.
TEST_P(Seek, SurvivesNull) {
  fake::behave("load-delay=20ms,load-steps=1");
  for (int round = 0; round < 25; ++round) {
    Rig rig(GetParam());
    rig.start();
    seek_while_stopping(rig);
  }
}

// NULL during a seek just when the model has been loaded: nobody waits for what the inference
// thread, which ends, does not do any more.
TEST_P(Seek, SurvivesNullAtTheEndOfALoad) {
  Rig rig(GetParam());
  LoadGate gate(rig);
  rig.start();
  gate.wait();
  seek_while_stopping(rig, [&] {
    gate.go_on();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  });
}

}  // namespace
}  // namespace latentsync::test
