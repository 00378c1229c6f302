#pragma once

#include <gst/gst.h>
#include <optional>
#include <string>

/// How the graph around the element is linked, and which of its queues are full: what other
/// elements publish, and nothing else. From any thread, with no lock held.
namespace latentsync {

struct Blockage {
  std::string branching;  ///< the tee or demuxer whose other branch is full
  std::string queue;      ///< the full queue
};

/// A full queue in another branch of an element that PAD's buffers come through. Where nothing
/// arrives on PAD, that element cannot go on before the queue is emptied.
std::optional<Blockage> find_blockage(GstPad* pad);

/// Whether other elements get what feeds PAD, too, through another branch.
bool is_shared(GstPad* pad);

/// Whether one element brings the buffers of both.
bool have_common_source(GstPad* first, GstPad* second);

}  // namespace latentsync
