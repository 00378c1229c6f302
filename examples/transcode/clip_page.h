#pragma once

#include "examples/transcode/arguments.h"
#include "examples/transcode/handles.h"
#include "examples/transcode/page.h"
#include "examples/transcode/recorder.h"
#include "examples/transcode/report.h"

#include <string>
#include <vector>

namespace latentsync::transcode {

/// The page of --report, of a clip that is being rendered.
class ClipPage {
 public:
  /// ELEMENT, whose settings are those in force, is to render CLIP; from now on it also measures
  /// mouths. INPUTS: what is never to be removed.
  ClipPage(const Clip& clip, const std::vector<std::string>& inputs, const Part& part,
           GstElement* element);

  Recorder& recorder() { return recorder_; }
  /// A line that was printed for the user; warnings are shown on the page.
  void line(const std::string& text);

  /// Writes the file; a regular one is replaced at once. PROBLEM: why there is no output; else
  /// empty. Throws Problem: it cannot be written.
  void write(const Measured& measured, const std::string& problem);

 private:
  const Clip clip_;
  const std::vector<std::string> inputs_;
  ElementPtr element_;
  std::vector<PageEntry> settings_;
  Recorder recorder_;
};

}  // namespace latentsync::transcode
