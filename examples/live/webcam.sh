#!/usr/bin/env bash
# A camera and a microphone, in a window and on the loudspeaker.
# usage: webcam.sh   CAMERA, MICROPHONE, WINDOW and LOUDSPEAKER are elements, e.g. CAMERA="v4l2src device=/dev/video2"
set -euo pipefail
exec ${LAUNCH:-gst-launch-1.0} \
  ${CAMERA:-v4l2src} ! videoconvert ! queue ! l.video_sink \
  ${MICROPHONE:-autoaudiosrc} ! audioconvert ! queue ! l.audio_sink \
  latentsync name=l ${OPTIONS:-audio-lookahead=200000000 window-frames=8} ! queue ! videoconvert ! ${WINDOW:-autovideosink} \
  l.audio_src ! queue ! audioconvert ! audioresample ! ${LOUDSPEAKER:-autoaudiosink}
