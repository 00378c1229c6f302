#pragma once

#include "examples/transcode/handles.h"
#include "examples/transcode/recorder.h"

#include <vector>

namespace latentsync::transcode {

/// While it lives, a recorder is told what enters and leaves an element, and what it posts. To be
/// made before others look at the element's frames, which they may change.
class RecorderTap {
 public:
  /// BUS: that of the pipeline that ELEMENT is in; nobody else may take its messages at once.
  RecorderTap(Recorder& recorder, GstElement* element, GstBus* bus);
  ~RecorderTap();
  RecorderTap(const RecorderTap&) = delete;
  RecorderTap& operator=(const RecorderTap&) = delete;

 private:
  struct Probe {
    PadPtr pad;
    gulong id = 0;
  };
  void add(GstElement* element, const char* pad, GstPadProbeCallback callback);

  Recorder& recorder_;
  BusPtr bus_;
  std::vector<Probe> probes_;
};

}  // namespace latentsync::transcode
