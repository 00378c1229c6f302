#pragma once

#include <cstdint>
#include <gst/gst.h>

namespace latentsync {

/// In a timeline of GES: the in-point of the clip whose frames arrive at FILTER, so that the speech
/// stays with the clip's media when it is trimmed, moved or split. There the stream time of an
/// effect begins anew with each clip. 0 outside of a timeline, and where the effect has an in-point
/// of its own, which its stream time contains.
int64_t clip_in_point(GstElement* filter);

}  // namespace latentsync
