#!/usr/bin/env python3
"""Frames and speech that a program has, and lip-synced frames that it gets back, by appsrc and appsink.

    ffmpeg -i IN.mp4 -f rawvideo -pix_fmt rgb24 - | say.py WIDTH HEIGHT RATE TEXT [PROPERTY=VALUE...] >OUT.rgb

Properties are the element's. WIDTH is a multiple of four, to which rows are padded.
"""

import os
import subprocess
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import GLib, Gst, GstApp  # noqa: E402, F401

GRAPH = """
  appsrc name=frames format=time block=true max-buffers=4
    caps=video/x-raw,format=RGB,width={},height={},framerate={}/1 ! queue ! l.video_sink
  appsrc name=speech format=time block=true
    caps=audio/x-raw,format=S16LE,layout=interleaved,rate=22050,channels=1 ! queue ! l.audio_sink
  latentsync name=l {} ! videoconvert ! video/x-raw,format=RGB !
    appsink name=out sync=false max-buffers=4 emit-signals=true"""


def feed(source, file, unit, count, rate):
    """COUNT times UNIT bytes (a frame, a sample) are a buffer; RATE of them are a second."""
    at = 0
    while data := file.read(unit * count):
        buffer = Gst.Buffer.new_wrapped(data)
        buffer.pts = at * Gst.SECOND // rate
        at += len(data) // unit
        if source.push_buffer(buffer) != Gst.FlowReturn.OK:
            break  # the pipeline ends
    source.end_of_stream()


def write_frame(sink):  # in a thread of the graph, which waits while the frame is written
    buffer = sink.pull_sample().get_buffer()
    data = buffer.extract_dup(0, buffer.get_size())
    try:
        while data:
            data = data[os.write(1, data):]
    except OSError as error:
        sink.message_full(Gst.MessageType.ERROR, Gst.ResourceError.quark(), Gst.ResourceError.WRITE,
                          "OUT.rgb cannot be written", str(error), __file__, "write_frame", 0)
        return Gst.FlowReturn.ERROR
    return Gst.FlowReturn.OK


def main(width, height, rate, text, *properties):
    Gst.init(None)
    try:
        pipeline = Gst.parse_launch(GRAPH.format(width, height, rate, " ".join(properties)))
    except GLib.Error as error:
        sys.exit(error.message)  # a plugin is missing, or a property is wrong
    try:
        speech = subprocess.Popen(["espeak-ng", "--stdout", "--", text], stdout=subprocess.PIPE)
    except OSError as error:
        sys.exit(f"espeak-ng cannot be started, install it: {error}")
    speech.stdout.read(44)  # the header of a WAV file
    pipeline.get_by_name("out").connect("new-sample", write_frame)
    pipeline.set_state(Gst.State.PLAYING)
    # A thread for each source: one that waits for the other would lock the graph.
    frame = int(width) * int(height) * 3
    threads = [threading.Thread(target=feed, args=(pipeline.get_by_name(name), *source)) for name, source in (
        ("frames", (sys.stdin.buffer, frame, 1, int(rate))), ("speech", (speech.stdout, 2, 2205, 22050)))]
    for thread in threads:
        thread.start()
    last = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)  # wakes the threads: FLUSHING
    for thread in threads:
        thread.join()
    if last.type == Gst.MessageType.ERROR:
        sys.exit(last.parse_error()[0].message)  # the sentence says what to do


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
