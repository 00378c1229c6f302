#!/usr/bin/env bash
# A camera and a microphone as an HLS stream: FOLDER/live.m3u8 and segments of 2 s, for a web server.
# usage: hls.sh FOLDER   CAMERA and MICROPHONE are elements
set -euo pipefail
[ $# = 1 ] || { sed -n 's/^# usage/usage/p' "$0" >&2; exit 2; }
exec ${LAUNCH:-gst-launch-1.0} \
  ${CAMERA:-v4l2src} ! videoconvert ! queue ! l.video_sink \
  ${MICROPHONE:-autoaudiosrc} ! audioconvert ! queue ! l.audio_sink \
  latentsync name=l ${OPTIONS:-} ! queue ! videoconvert ! x264enc tune=zerolatency speed-preset=veryfast key-int-max=50 ! h264parse config-interval=-1 ! queue ! m. \
  l.audio_src ! queue ! audioconvert ! audioresample ! audiofirfilter latency=1024 ! audioconvert ! avenc_aac ! aacparse ! queue ! m. \
  mpegtsmux name=m ! hlssink target-duration=2 playlist-location="$1/live.m3u8" location="$1/segment%05d.ts"
