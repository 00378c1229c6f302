#pragma once

#include <gst/gst.h>

/// Which thread is where further up the stream. A streaming thread holds the stream lock of every
/// sink pad that it is inside of; a source that has nothing to give holds none. From any thread,
/// with no lock held.
namespace latentsync {

/// Whether what brings PAD's buffers is held up on its way by another branch of the stream: the
/// nearest thread that is busy is inside of an element with several source pads, a tee or a
/// demuxer. Where that lasts while nothing comes to PAD, the other branch is full. An element with
/// one source pad that is busy is at work.
bool is_held_back(GstPad* pad);

/// Whether one thread brings the buffers of both: it is inside of an element further up from
/// either.
bool have_one_thread(GstPad* first, GstPad* second);

}  // namespace latentsync
