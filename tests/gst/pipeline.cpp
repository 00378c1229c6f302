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
  take(made, error, line);
}

Pipeline::Pipeline(const std::vector<std::string>& words) {
  std::vector<const gchar*> arguments;
  std::string line;
  for (const std::string& word : words) {
    arguments.push_back(word.c_str());
    line += word + " ";
  }
  arguments.push_back(nullptr);
  GError* error = nullptr;
  GstElement* made = gst_parse_launchv(arguments.data(), &error);
  take(made, error, line);
}

void Pipeline::take(GstElement* made, GError* error, const std::string& line) {
  if (made != nullptr) pipeline_.reset(GST_ELEMENT(gst_object_ref_sink(made)));
  if (error != nullptr) {
    const std::string text = line + ": " + error->message;
    g_error_free(error);
    throw std::runtime_error(text);
  }
  bus_.reset(gst_element_get_bus(pipeline_.get()));
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
  start();
  while (steady_clock::now() - begin_ < patience(limit)) {
    if (const auto ended = read_message(std::chrono::milliseconds(20))) return *ended;
  }
  return false;
}

void Pipeline::start() {
  begin_ = steady_clock::now();
  gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
}

std::optional<bool> Pipeline::read_message(std::chrono::milliseconds limit) {
  const Ref<GstMessage> message(
      gst_bus_timed_pop(bus_.get(), static_cast<GstClockTime>(limit.count()) * GST_MSECOND));
  if (!message) return std::nullopt;
  switch (GST_MESSAGE_TYPE(message.get())) {
    case GST_MESSAGE_EOS:
      return true;
    case GST_MESSAGE_ERROR:
      errors_.push_back(sentence_of(message.get()));
      return false;
    case GST_MESSAGE_WARNING:
      warnings_.push_back(
          {sentence_of(message.get()),
           std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begin_)});
      break;
    case GST_MESSAGE_LATENCY:
      gst_bin_recalculate_latency(GST_BIN(pipeline_.get()));
      break;
    default:
      break;
  }
  return std::nullopt;
}

GstClockTime Pipeline::latency() const {
  GstClockTime least = GST_CLOCK_TIME_NONE;
  const Ref<GstQuery> query(gst_query_new_latency());
  if (gst_element_query(pipeline_.get(), query.get())) {
    gst_query_parse_latency(query.get(), nullptr, &least, nullptr);
  }
  return least;
}

void PrintTo(const Pipeline::Warning& warning, std::ostream* out) {
  *out << warning.after.count() << " ms: " << warning.text;
}

}  // namespace latentsync::test
