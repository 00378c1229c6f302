#pragma once

#include <gst/gst.h>

namespace latentsync {

/// Pushes EOS, before it STREAM_START on a pad that has had none: elements downstream take no EOS
/// outside of a stream, and an application may wait for it at its sink. Never under a lock.
void push_end_of_stream(GstPad* pad);

}  // namespace latentsync
