// Preloaded into the command line: the first pipeline that renders fails to be fed at once, and is
// set to PLAYING late.

#include "tests/transcode/preload/wrapped.h"

#include <atomic>
#include <chrono>
#include <gst/app/gstappsrc.h>
#include <stdexcept>
#include <thread>
#include <unistd.h>

namespace {

std::atomic<bool> failed = false;
std::atomic<bool> delayed = false;

}  // namespace

extern "C" __attribute__((visibility("default"))) GstFlowReturn gst_app_src_push_sample(
    GstAppSrc* source, GstSample* sample) {
  if (!failed.exchange(true)) {
    throw std::runtime_error("the first sample is not taken");
  }
  using Push = GstFlowReturn (*)(GstAppSrc*, GstSample*);
  static const auto real = latentsync::preload::next<Push>("gst_app_src_push_sample");
  return real(source, sample);
}

extern "C" __attribute__((visibility("default"))) GstStateChangeReturn gst_element_set_state(
    GstElement* element, GstState state) {
  if (state == GST_STATE_PLAYING && getpid() != gettid() && !delayed.exchange(true)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
  using Set = GstStateChangeReturn (*)(GstElement*, GstState);
  static const auto real = latentsync::preload::next<Set>("gst_element_set_state");
  return real(element, state);
}
