// Preloaded into the command line: the first pipeline that renders fails to be fed at once, and is
// set to PLAYING late.

#include <atomic>
#include <chrono>
#include <dlfcn.h>
#include <gst/app/gstappsrc.h>
#include <stdexcept>
#include <thread>
#include <unistd.h>

namespace {

std::atomic<bool> failed = false;
std::atomic<bool> delayed = false;

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" __attribute__((visibility("default"))) GstFlowReturn gst_app_src_push_sample(
    GstAppSrc* source, GstSample* sample) {
  if (!failed.exchange(true)) {
    throw std::runtime_error("the first sample is not taken");
  }
  static const auto real =
      next<GstFlowReturn (*)(GstAppSrc*, GstSample*)>("gst_app_src_push_sample");
  return real(source, sample);
}

extern "C" __attribute__((visibility("default"))) GstStateChangeReturn gst_element_set_state(
    GstElement* element, GstState state) {
  if (state == GST_STATE_PLAYING && getpid() != gettid() && !delayed.exchange(true)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
  static const auto real =
      next<GstStateChangeReturn (*)(GstElement*, GstState)>("gst_element_set_state");
  return real(element, state);
}
