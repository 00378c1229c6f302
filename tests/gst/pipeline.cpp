#include "tests/gst/pipeline.h"

#include "tests/gst/told.h"

#include <ostream>
#include <stdexcept>

namespace latentsync::test {
namespace {

using std::chrono::steady_clock;

GstPadProbeReturn count(GstPad*, GstPadProbeInfo*, gpointer frames) {
  ++*static_cast<std::atomic<int>*>(frames);
  return GST_PAD_PROBE_OK;
}

}  // namespace

Pipeline::Pipeline(const std::string& line) {
  GError* error = nullptr;
  GstElement* made = gst_parse_launch(line.c_str(), &error);
  if (made != nullptr) pipeline_.reset(GST_ELEMENT(gst_object_ref_sink(made)));
  if (error != nullptr) {
    const std::string text = line + ": " + error->message;
    g_error_free(error);
    throw std::runtime_error(text);
  }
  if (const auto l = element("l")) {
    const Ref<GstPad> pad(gst_element_get_static_pad(l.get(), "src"));
    gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, count, &frames_, nullptr);
  }
}

Pipeline::~Pipeline() { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); }

Ref<GstElement> Pipeline::element(const char* name) const {
  return Ref<GstElement>(gst_bin_get_by_name(GST_BIN(pipeline_.get()), name));
}

bool Pipeline::play(std::chrono::milliseconds limit) {
  const auto begin = steady_clock::now();
  const Ref<GstBus> bus(gst_element_get_bus(pipeline_.get()));
  gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
  while (steady_clock::now() - begin < patience(limit)) {
    const Ref<GstMessage> message(gst_bus_timed_pop(bus.get(), 20 * GST_MSECOND));
    if (!message) continue;
    switch (GST_MESSAGE_TYPE(message.get())) {
      case GST_MESSAGE_EOS:
        return true;
      case GST_MESSAGE_ERROR:
        errors_.push_back(sentence_of(message.get()));
        return false;
      case GST_MESSAGE_WARNING:
        warnings_.push_back(
            {sentence_of(message.get()),
             std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begin)});
        break;
      case GST_MESSAGE_LATENCY:
        gst_bin_recalculate_latency(GST_BIN(pipeline_.get()));
        break;
      default:
        break;
    }
  }
  return false;
}

void PrintTo(const Pipeline::Warning& warning, std::ostream* out) {
  *out << warning.after.count() << " ms: " << warning.text;
}

}  // namespace latentsync::test
