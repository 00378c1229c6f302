// Preloaded into the command line: a thread of a library ends the process while it renders, as
// OpenMP's does where it cannot start its threads.

#include <cstdlib>
#include <gst/app/gstappsrc.h>

extern "C" __attribute__((visibility("default"))) GstFlowReturn gst_app_src_push_sample(
    GstAppSrc*, GstSample*) {
  std::exit(1);
}
