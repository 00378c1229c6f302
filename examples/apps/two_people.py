#!/usr/bin/env python3
"""Two people in one picture, each with a speech of their own: two elements, one after the other.

    two_people.py VIDEO SPEECH_LEFT SPEECH_RIGHT OUT.mkv [PROPERTY=VALUE...]   properties of both elements
"""

import pathlib
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

# Each takes the face that is nearest to its point. The sound of both is mixed; it leaves with the picture.
# The second element gets frames later than the first one, so its audio waits in the first queue.
GRAPH = """
  uridecodebin name=video ! videoconvert ! queue ! left.video_sink
  latentsync name=left face-select=nearest face-x=0.25 ! queue ! right.video_sink
  latentsync name=right face-select=nearest face-x=0.75 ! queue ! videoconvert ! x264enc ! matroskamux name=file
  uridecodebin name=first ! audioconvert ! audioresample ! queue ! left.audio_sink
  uridecodebin name=second ! audioconvert ! audioresample ! queue ! right.audio_sink
  left.audio_src ! queue ! audioconvert ! audioresample ! mix.
  right.audio_src ! queue ! audioconvert ! audioresample ! mix.
  audiomixer name=mix ! audioconvert ! vorbisenc ! queue ! file.
  file. ! filesink name=out"""


def main(video, left, right, out, *properties):
    Gst.init(None)
    pipeline = Gst.parse_launch(GRAPH)
    for name, path in (("video", video), ("first", left), ("second", right)):
        pipeline.get_by_name(name).set_property("uri", pathlib.Path(path).resolve().as_uri())
    pipeline.get_by_name("out").set_property("location", out)
    for name in ("left", "right"):
        for key, value in (text.split("=", 1) for text in properties):
            Gst.util_set_object_arg(pipeline.get_by_name(name), key, value)

    pipeline.set_state(Gst.State.PLAYING)
    try:
        message = pipeline.get_bus().timed_pop_filtered(
            Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR)
        if message.type == Gst.MessageType.ERROR:
            error, debug = message.parse_error()
            sys.exit(f"{message.src.get_name()}: {error.message}\n{debug}")
        for name in ("left", "right"):
            stats = pipeline.get_by_name(name).get_property("stats")
            print(name, *(f"{key} {stats.get_value(key)}" for key in ("frames-in", "frames-edited", "frames-passed")))
    finally:
        pipeline.set_state(Gst.State.NULL)  # also after an error: it ends threads and frees the model


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
