#pragma once

#include <gst/base/gstaggregator.h>

/// A sink pad whose element is called for every buffer.
///
/// GstAggregator calls aggregate() only when each of its pads has a buffer or is at its end. The
/// frames of a window and the audio that belongs to it come in any proportion, and often from one
/// thread, so each pad must be emptied when something comes to it, whatever the other one has. For
/// that an arrival is announced by a GAP event of no length to both pads, which the base class
/// turns into an empty buffer at the head of the pad's queue: a token, which aggregate() takes out
/// again. No pad holds more than one token. aggregate() goes on for as long as it finds anything,
/// and whoever puts tokens does so until both pads have theirs or none: a token never waits alone,
/// where it would only keep the next buffer out, and no arrival is missed.
///
/// A token that comes to a pad while the base class handles the event at the head of its queue gets
/// in front of that event, which is then handled again: gst_latentsync_pad_is_repeated() tells.
/// Queries may be asked twice for the same reason. A buffer behind such an event is not to be seen
/// yet, although its token has been: gst_latentsync_pad_hides() tells, and a token on the other pad
/// has aggregate() called when the event is out of the way.
G_BEGIN_DECLS

#define GST_TYPE_LATENTSYNC_PAD (gst_latentsync_pad_get_type())
G_DECLARE_FINAL_TYPE(GstLatentsyncPad, gst_latentsync_pad, GST, LATENTSYNC_PAD, GstAggregatorPad)

/// Whether the pad takes tokens. Not while it flushes or stops: the base class then resets what a
/// token relies on. Closed at first.
void gst_latentsync_pad_set_open(GstLatentsyncPad* pad, gboolean open);

/// Has aggregate() called soon, from the source pad's thread. From any thread, with none of the
/// element's or aggregator's locks held.
void gst_latentsync_pads_wake(GstLatentsyncPad* first, GstLatentsyncPad* second);

/// The next buffer on the pad, which stays there; null without any. Tokens are taken out on the
/// way; *ARRIVED is set where there was one: both pads have to be looked at again. From aggregate()
/// alone.
GstBuffer* gst_latentsync_pad_peek(GstLatentsyncPad* pad, gboolean* arrived);

/// The buffer that peek() showed; null, or one that came since, where the pad was flushed
/// meanwhile.
GstBuffer* gst_latentsync_pad_pop(GstLatentsyncPad* pad);

/// Whether a buffer waits behind an event, where peek() shows none. From aggregate() alone.
gboolean gst_latentsync_pad_hides(GstLatentsyncPad* pad);

/// Keeps the base class from waiting for PAD.
void gst_latentsync_pad_pretend(GstLatentsyncPad* pad);

/// Whether EVENT is the one that came to the pad last, handled again. For serialized events.
gboolean gst_latentsync_pad_is_repeated(GstLatentsyncPad* pad, GstEvent* event);

G_END_DECLS
