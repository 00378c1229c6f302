// An application that uses another LibTorch than the engine's, and the element:
//
//     other-torch-application before|after|global USER_LIBRARY LAUNCH_LINE
//
// before: its LibTorch is opened first; after: the element has rendered first; global: first, with
// RTLD_GLOBAL. Prints what fails; the exit status is 0 where nothing does.
#include "tests/gst/other_torch/torch_user.h"

#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <gst/gst.h>

namespace {

int failures = 0;

void check(bool good, const char* what) {
  if (good) return;
  std::printf("%s\n", what);
  ++failures;
}

const TorchUser* open_torch(const char* library, int mode) {
  void* opened = dlopen(library, RTLD_NOW | mode);
  if (!opened) std::printf("%s\n", dlerror());
  const auto entry =
      opened ? reinterpret_cast<TorchUserEntry>(dlsym(opened, kTorchUserEntry)) : nullptr;
  return entry ? entry() : nullptr;
}

void render(const char* line) {
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line, &error);
  check(error == nullptr, error ? error->message : "");
  if (error) return;
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* last = gst_bus_timed_pop_filtered(
      bus, 60 * GST_SECOND, GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  check(last != nullptr, "the pipeline hangs");
  if (last && GST_MESSAGE_TYPE(last) == GST_MESSAGE_ERROR) {
    gchar* debug = nullptr;
    gst_message_parse_error(last, &error, &debug);
    std::printf("%s (%s)\n", error->message, debug);
    g_error_free(error);
    g_free(debug);
    ++failures;
  }
  if (last) gst_message_unref(last);
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const bool after = std::strcmp(argv[1], "after") == 0;
  const int mode = std::strcmp(argv[1], "global") == 0 ? RTLD_GLOBAL : RTLD_LOCAL;
  gst_init(nullptr, nullptr);
  if (after) render(argv[3]);
  const TorchUser* torch = open_torch(argv[2], mode);
  check(torch != nullptr, "no LibTorch");
  if (!torch) return 1;
  torch->choose_settings();
  const uint64_t settings = torch->settings();
  const uint64_t results = torch->results();
  render(argv[3]);
  check(dlopen("liblsync_cpu.so", RTLD_NOW | RTLD_NOLOAD) != nullptr,
        "the engine uses the application's LibTorch");
  check(torch->settings() == settings, "the element has changed a setting of the application");
  check(torch->results() == results, "the application's results have other bits");
  std::printf("results %016llx settings %016llx\n", static_cast<unsigned long long>(results),
              static_cast<unsigned long long>(settings));
  return failures == 0 ? 0 : 1;
}
