#!/usr/bin/python3
"""An RTSP server of a file, lip-synced to the speech of another one; each client plays and seeks on its own.

usage: rtsp-server.py VIDEO SPEECH [PORT]   files or URIs; rtsp://127.0.0.1:PORT/file (8554)
OPTIONS are properties of latentsyncbin, PAYLOADER is what encodes and packs the frames
Debian: python3-gi gir1.2-gst-rtsp-server-1.0
"""
import os
import pathlib
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

PAYLOADER = "x264enc tune=zerolatency speed-preset=veryfast key-int-max=50 ! rtph264pay config-interval=-1"


def uri(name):
    return name if "://" in name else pathlib.Path(name).resolve().as_uri()


if len(sys.argv) not in (3, 4):
    sys.exit(__doc__)
Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(f"""(
  uridecodebin uri="{uri(sys.argv[1])}" caps="video/x-raw(ANY)" expose-all-streams=false ! videoconvert ! queue !
    latentsyncbin audio-uri="{uri(sys.argv[2])}" {os.environ.get("OPTIONS", "")} ! queue ! videoconvert !
    {os.environ.get("PAYLOADER", PAYLOADER)} name=pay0
)""")
server = GstRtspServer.RTSPServer(address="127.0.0.1", service=sys.argv[3] if len(sys.argv) > 3 else "8554")
server.get_mount_points().add_factory("/file", factory)
if not server.attach(None):
    sys.exit("The port is in use: name another one.")
GLib.MainLoop().run()
