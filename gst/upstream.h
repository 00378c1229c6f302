#pragma once

#include <gst/gst.h>

namespace latentsync {

/// Whether whatever brings PAD's buffers is held up on its way: a pad further up the stream is in
/// the middle of handing something on. Where that lasts while nothing comes to PAD, it is another
/// branch of the stream that is full; a source that has nothing to give holds no pad. From any
/// thread, with no lock held.
bool is_held_back(GstPad* pad);

}  // namespace latentsync
