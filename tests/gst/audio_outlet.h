#pragma once

#include "tests/gst/rig.h"

namespace latentsync::test {

/// A pad that is linked to the rig's audio_src, and keeps what comes.
class AudioOutlet {
 public:
  /// Requests the pad; links it unless it is to stay UNLINKED.
  explicit AudioOutlet(Rig& rig, bool linked = true);
  /// Releases it, unless release() has.
  ~AudioOutlet();
  AudioOutlet(const AudioOutlet&) = delete;
  AudioOutlet& operator=(const AudioOutlet&) = delete;

  void link();
  void release();

  /// Buffers that arrive from now on wait in here, until let_go() or a flush.
  void hold();
  void let_go();

  /// Waits until a buffer waits so.
  bool wait_held(std::chrono::milliseconds limit = std::chrono::seconds(15));

  size_t buffers() const;
  bool wait_buffers(size_t count, std::chrono::milliseconds limit = std::chrono::seconds(15));
  bool wait_eos(std::chrono::milliseconds limit = std::chrono::seconds(20));
  std::vector<Output> take();
  /// Running time at which the last buffer begins; -1 before the first one.
  int64_t last_ns() const;

  bool query(GstQuery* query) { return gst_pad_peer_query(sink_.get(), query); }
  bool send_upstream(GstEvent* event) { return gst_pad_push_event(sink_.get(), event); }
  GstPad* source() const { return source_.get(); }

  /// What the pad returns.
  std::atomic<GstFlowReturn> flow = GST_FLOW_OK;

 private:
  static GstFlowReturn chain(GstPad* pad, GstObject* parent, GstBuffer* buffer);
  static gboolean event(GstPad* pad, GstObject* parent, GstEvent* event);

  Rig& rig_;
  Ref<GstPad> source_;
  Ref<GstPad> sink_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Output> outputs_;
  GstSegment segment_ = {};
  size_t buffers_ = 0;
  int64_t last_ns_ = -1;
  bool held_ = false;
  bool waits_ = false;
  bool flushing_ = false;
  bool eos_ = false;
};

}  // namespace latentsync::test
