#include "tests/gst/audio_outlet.h"

#include <stdexcept>

namespace latentsync::test {

AudioOutlet::AudioOutlet(Rig& rig, bool linked)
    : rig_(rig), source_(gst_element_request_pad_simple(rig.element(), "audio_src")) {
  if (!source_) throw std::runtime_error("there is no audio_src to be had");
  sink_.reset(GST_PAD(gst_object_ref_sink(gst_pad_new("audio", GST_PAD_SINK))));
  gst_pad_set_element_private(sink_.get(), this);
  gst_pad_set_chain_function(sink_.get(), &AudioOutlet::chain);
  gst_pad_set_event_function(sink_.get(), &AudioOutlet::event);
  gst_pad_set_active(sink_.get(), TRUE);
  if (linked) link();
}

AudioOutlet::~AudioOutlet() {
  let_go();
  release();
  gst_pad_set_active(sink_.get(), FALSE);
}

void AudioOutlet::link() { ASSERT_EQ(gst_pad_link(source_.get(), sink_.get()), GST_PAD_LINK_OK); }

void AudioOutlet::release() {
  if (!source_) return;
  gst_pad_unlink(source_.get(), sink_.get());
  gst_element_release_request_pad(rig_.element(), source_.get());
  source_.reset();
}

void AudioOutlet::hold() {
  const std::lock_guard lock(mutex_);
  held_ = true;
}

void AudioOutlet::let_go() {
  const std::lock_guard lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

bool AudioOutlet::wait_held(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience(limit), [&] { return held_ && waits_; });
}

size_t AudioOutlet::buffers() const {
  const std::lock_guard lock(mutex_);
  return buffers_;
}

bool AudioOutlet::wait_buffers(size_t count, std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience(limit), [&] { return buffers_ >= count; });
}

bool AudioOutlet::wait_eos(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience(limit), [&] { return eos_; });
}

std::vector<Output> AudioOutlet::take() {
  const std::lock_guard lock(mutex_);
  buffers_ = 0;
  eos_ = false;
  return std::exchange(outputs_, {});
}

int64_t AudioOutlet::last_ns() const {
  const std::lock_guard lock(mutex_);
  return last_ns_;
}

GstFlowReturn AudioOutlet::chain(GstPad* pad, GstObject*, GstBuffer* buffer) {
  auto* self = static_cast<AudioOutlet*>(gst_pad_get_element_private(pad));
  std::unique_lock lock(self->mutex_);
  self->waits_ = true;
  self->changed_.notify_all();
  self->changed_.wait(lock, [&] { return !self->held_ || self->flushing_; });
  self->waits_ = false;
  if (self->flushing_) {
    gst_buffer_unref(buffer);
    return GST_FLOW_FLUSHING;
  }
  ++self->buffers_;
  self->last_ns_ = static_cast<int64_t>(
      gst_segment_to_running_time(&self->segment_, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer)));
  self->outputs_.push_back({Ref<GstBuffer>(buffer), nullptr});
  self->changed_.notify_all();
  return self->flow;
}

gboolean AudioOutlet::event(GstPad* pad, GstObject*, GstEvent* event) {
  auto* self = static_cast<AudioOutlet*>(gst_pad_get_element_private(pad));
  const std::lock_guard lock(self->mutex_);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_FLUSH_START:
      self->flushing_ = true;
      break;
    case GST_EVENT_FLUSH_STOP:
      self->flushing_ = self->eos_ = false;
      break;
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment(event, &self->segment_);
      break;
    case GST_EVENT_EOS:
      self->eos_ = true;
      break;
    default:
      break;
  }
  self->outputs_.push_back({nullptr, Ref<GstEvent>(event)});
  self->changed_.notify_all();
  return TRUE;
}

}  // namespace latentsync::test
