#pragma once

#include "tests/gst/clip.h"

#include <functional>
#include <string>
#include <thread>

namespace latentsync::test {

/// An element that brings both streams from one thread, as a demuxer does, in place of the rig's
/// feeders; its script runs inside of its sink pad.
class Demuxer {
 public:
  using Script = std::function<void(Demuxer&)>;

  Demuxer(Rig& rig, Script script);
  ~Demuxer();
  Demuxer(const Demuxer&) = delete;
  Demuxer& operator=(const Demuxer&) = delete;

  /// After Rig::start(); stop the rig before this goes away.
  void start(const Clip& clip);

  void push_frame(const Clip& clip, const FrameSpec& spec);
  void push_video(GstEvent* event);
  void push_audio(GstEvent* event);
  /// A second of the test audio.
  void push_second(const Clip& clip, int64_t second);
  void eos();

 private:
  static GstFlowReturn chain(GstPad* pad, GstObject* parent, GstBuffer* buffer);
  static gboolean drop(GstPad* pad, GstObject* parent, GstEvent* event);

  const Script script_;
  const Ref<GstPad> source_;
  const Ref<GstPad> sink_;
  const Ref<GstPad> video_;
  const Ref<GstPad> audio_;
  std::jthread thread_;
};

}  // namespace latentsync::test
