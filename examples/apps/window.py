#!/usr/bin/env python3
"""Shows a video in a window, lip-synced to speech, with a slider for the expression and a switch for the original.

    window.py VIDEO SPEECH [PROPERTY=VALUE...]   properties of the element; LOUDSPEAKER is an element
"""

import os
import pathlib
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gst, Gtk  # noqa: E402

# The original waits for the edited frames, so its queue must hold what the element holds.
GRAPH = """
  uridecodebin name=video ! videoconvert ! tee name=t
  t. ! queue max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! which.sink_0
  t. ! queue ! l.video_sink  latentsync name=l ! queue ! which.sink_1
  input-selector name=which sync-streams=true ! videoconvert ! gtksink name=window
  uridecodebin name=speech ! audioconvert ! audioresample ! queue ! l.audio_sink
  l.audio_src ! queue ! audioconvert ! audioresample ! """ + os.environ.get("LOUDSPEAKER", "autoaudiosink")


class Player:
    def __init__(self, video, speech, properties):
        self.status = 0
        self.pipeline = Gst.parse_launch(GRAPH)
        self.element, self.which, window = (self.pipeline.get_by_name(n) for n in ("l", "which", "window"))
        for name, path in (("video", video), ("speech", speech)):
            self.pipeline.get_by_name(name).set_property("uri", pathlib.Path(path).resolve().as_uri())
        for name, value in (text.split("=", 1) for text in properties):
            Gst.util_set_object_arg(self.element, name, value)

        slider = Gtk.Scale.new_with_range(Gtk.Orientation.HORIZONTAL, 1.0, 3.0, 0.1)
        slider.set_value(self.element.get_property("lips-expression"))
        # Properties may be set from any thread; this one holds from the next window on.
        slider.connect("value-changed", lambda s: self.element.set_property("lips-expression", s.get_value()))
        before = Gtk.CheckButton(label="Original")
        before.connect("toggled", lambda b: self.show(0 if b.get_active() else 1))
        self.show(1)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        box.pack_start(window.get_property("widget"), True, True, 0)
        for widget in (slider, before):
            box.pack_start(widget, False, False, 0)
        self.frame = Gtk.Window(title="latentsync")
        self.frame.connect("destroy", Gtk.main_quit)
        self.frame.add(box)

    def show(self, number):
        self.which.set_property("active-pad", self.which.get_static_pad(f"sink_{number}"))

    def on_message(self, _bus, message):  # in the main loop, not in a streaming thread
        if message.type == Gst.MessageType.ERROR:
            error, debug = message.parse_error()
            print(f"{error.message}\n{debug}", file=sys.stderr)  # the sentence says what to do
            self.status = 1
        elif message.type == Gst.MessageType.WARNING:
            print(message.parse_warning()[0].message, file=sys.stderr)
        if message.type in (Gst.MessageType.ERROR, Gst.MessageType.EOS):
            Gtk.main_quit()

    def run(self):
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.on_message)
        self.frame.show_all()
        self.pipeline.set_state(Gst.State.PLAYING)
        Gtk.main()
        self.pipeline.set_state(Gst.State.NULL)
        return self.status


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    Gst.init(None)
    sys.exit(Player(sys.argv[1], sys.argv[2], sys.argv[3:]).run())
