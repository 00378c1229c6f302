#include "examples/transcode/clean_speech.h"

#include "examples/transcode/problem.h"

#include <array>
#include <cmath>
#include <gst/app/gstappsrc.h>

namespace latentsync::transcode {
namespace {

/// Below the lowest voice there is only rumble; above the last frequency that the model's spectrum
/// resolves well there is hiss.
constexpr char kFilters[] =
    "audioconvert ! audioresample ! audio/x-raw,format=F32LE,rate=16000,channels=1 ! "
    "audiocheblimit mode=high-pass cutoff=80 ! audiocheblimit mode=low-pass cutoff=7000";
/// What needs more than this in dB is silence: ReplayGain's answer to that is 64.
constexpr double kMost = 50;
constexpr GstClockTime kPatience = 60 * GST_SECOND;

std::string number(double value) {
  std::array<char, G_ASCII_DTOSTR_BUF_SIZE> text{};
  return g_ascii_formatd(text.data(), int(text.size()), "%.4f", value);
}

Problem missing(const std::string& why) {
  return Problem("--clean-audio: " + one_line(why) +
                 "; on Debian: apt install gstreamer1.0-plugins-good");
}

void push_all(GstElement* source, SpeechFeed& speech) {
  while (Unit unit = speech.next()) {
    const SamplePtr sample(gst_sample_new(unit.buffer.get(), unit.caps.get(), nullptr, nullptr));
    if (gst_app_src_push_sample(GST_APP_SRC(source), sample.get()) != GST_FLOW_OK) {
      break;
    }
  }
  gst_app_src_end_of_stream(GST_APP_SRC(source));
}

/// The gain that PIPELINE's last element posts at the end; 0 if it posts none.
double wait_for_gain(GstElement* pipeline) {
  constexpr auto kTypes =
      static_cast<GstMessageType>(GST_MESSAGE_TAG | GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  const BusPtr bus(gst_element_get_bus(pipeline));
  double gain = 0;
  while (const MessagePtr message{gst_bus_timed_pop_filtered(bus.get(), kPatience, kTypes)}) {
    if (GST_MESSAGE_TYPE(message.get()) != GST_MESSAGE_TAG) {
      break;
    }
    GstTagList* tags = nullptr;
    gst_message_parse_tag(message.get(), &tags);
    gst_tag_list_get_double(tags, GST_TAG_TRACK_GAIN, &gain);
    gst_tag_list_unref(tags);
  }
  return gain;
}

}  // namespace

std::string cleaning_line(double gain) {
  return std::string(kFilters) +
         " ! audioamplify clipping-method=none amplification=" + number(std::pow(10.0, gain / 20)) +
         " ! rglimiter";
}

GstElement* make_cleaning(double gain) {
  GError* error = nullptr;
  GstElement* made = gst_parse_bin_from_description(cleaning_line(gain).c_str(), TRUE, &error);
  const ErrorPtr owner(error);
  if (made == nullptr || error != nullptr) {
    if (made != nullptr) {
      gst_object_unref(made);
    }
    throw missing(error == nullptr ? "the filters cannot be made" : error->message);
  }
  return made;
}

double measure_gain(SpeechFeed& speech) {
  GError* error = nullptr;
  const std::string line =
      std::string("appsrc name=source format=time block=true max-time=1000000000 ! ") + kFilters +
      " ! rganalysis ! fakesink sync=false";
  PipelinePtr pipeline(gst_parse_launch(line.c_str(), &error));
  const ErrorPtr owner(error);
  if (!pipeline || error != nullptr) {
    throw missing(error == nullptr ? "the filters cannot be made" : error->message);
  }
  const ElementPtr source(gst_bin_get_by_name(GST_BIN(pipeline.get()), "source"));
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  push_all(source.get(), speech);
  const double gain = wait_for_gain(pipeline.get());
  return gain > kMost ? 0 : gain;
}

}  // namespace latentsync::transcode
