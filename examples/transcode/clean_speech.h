#pragma once

#include "examples/transcode/handles.h"
#include "examples/transcode/speech_feed.h"

#include <optional>
#include <string>

/// What --clean-audio does with the speech before it reaches the element: rumble and hiss are
/// filtered out, and it is made as loud as speech usually is, with stock GStreamer elements.
namespace latentsync::transcode {

/// The elements, as gst-launch takes them, with GAIN dB between the filters and the limiter.
std::string cleaning_line(double gain);

/// They as one element. Throws Problem: one is not installed.
GstElement* make_cleaning(double gain);

/// How many dB the filtered SPEECH, all of which is read, is to be made louder. 0 for silence.
/// Throws Problem.
double measure_gain(SpeechFeed& speech);

}  // namespace latentsync::transcode
