// Preloaded into the command line: a thread of a library ends the process while it renders, as
// OpenMP's does where it cannot start its threads.

#include <atomic>
#include <cstdlib>
#include <gst/app/gstappsrc.h>
#include <unistd.h>

namespace {

std::atomic<bool> ending = false;

}  // namespace

extern "C" __attribute__((visibility("default"))) GstFlowReturn gst_app_src_push_sample(
    GstAppSrc*, GstSample*) {
  if (!ending.exchange(true)) {
    std::exit(1);
  }
  for (;;) {
    pause();
  }
}
