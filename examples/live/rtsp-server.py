#!/usr/bin/python3
"""An RTSP server: all clients see the same camera, lip-synced to the same microphone.

usage: rtsp-server.py [PORT]   rtsp://127.0.0.1:PORT/live (8554); CAMERA and MICROPHONE are elements
Debian: python3-gi gir1.2-gst-rtsp-server-1.0
"""
import os
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

CAMERA = os.environ.get("CAMERA", "v4l2src")
MICROPHONE = os.environ.get("MICROPHONE", "autoaudiosrc")
OPTIONS = os.environ.get("OPTIONS", "")

Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_shared(True)
factory.set_launch(f"""(
  {CAMERA} ! videoconvert ! queue ! l.video_sink
  {MICROPHONE} ! audioconvert ! queue ! l.audio_sink
  latentsync name=l {OPTIONS} ! queue ! videoconvert ! x264enc tune=zerolatency speed-preset=veryfast key-int-max=50 !
    rtph264pay config-interval=-1 name=pay0
  l.audio_src ! queue ! audioconvert ! audioresample ! opusenc ! rtpopuspay name=pay1 pt=97
)""")
server = GstRtspServer.RTSPServer(address="127.0.0.1", service=sys.argv[1] if len(sys.argv) > 1 else "8554")
server.get_mount_points().add_factory("/live", factory)
if not server.attach(None):
    sys.exit("The port is in use: name another one.")
GLib.MainLoop().run()
