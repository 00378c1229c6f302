#pragma once

#include "tests/gst/rig.h"

#include <cstdint>
#include <string>
#include <vector>

/// What the element has told, in forms that tests compare.
namespace latentsync::test {

/// Sentence and debug text of each warning, or error, so far.
std::vector<std::string> sentences_of(Rig& rig, GstMessageType type = GST_MESSAGE_WARNING);
std::string sentence_of(GstMessage* message);

/// The property stats.
Ref<GstStructure> stats_of(Rig& rig);
Ref<GstStructure> stats_of(GstElement* element);

/// A whole number of any type, or -1.
int64_t number(const GstStructure* structure, const char* name);

std::string text_of(const GstStructure* structure);

/// Events of this type among the outputs.
std::vector<GstEvent*> events_of(const std::vector<Output>& outputs, GstEventType type);

/// Takes the buffers out of OUTPUTS, in order.
std::vector<Ref<GstBuffer>> buffers_of(std::vector<Output>&& outputs);

}  // namespace latentsync::test
