#pragma once

#include "examples/transcode/recording.h"

#include <string>

/// The parts of a page that show something over time: each a section with its plot, its legend and
/// its numbers as a table.
namespace latentsync::transcode {

/// What FATE is called, for people, and in the page's style.
const char* words_for(FrameFate fate);
const char* style_of(FrameFate fate);

/// Which frames were edited, passed or late.
std::string frames_section(const Recording& recording);
/// How far the mouth is open, and how loud the speech is.
std::string speech_section(const Recording& recording);
/// How long each stage of a window took.
std::string time_section(const Recording& recording);
/// What windows held, and what was planned for them.
std::string memory_section(const Recording& recording);

}  // namespace latentsync::transcode
