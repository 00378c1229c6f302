#!/usr/bin/env bash
# A camera and a microphone, sent by RTMP. Needs a server, e.g. rtmp.sh rtmp://localhost/live/key
# usage: rtmp.sh URL   CAMERA and MICROPHONE are elements, and SINK, in place of rtmp2sink
set -euo pipefail
[ $# = 1 ] || { sed -n 's/^# usage/usage/p' "$0" >&2; exit 2; }
exec ${LAUNCH:-gst-launch-1.0} \
  ${CAMERA:-v4l2src} ! videoconvert ! queue ! l.video_sink \
  ${MICROPHONE:-autoaudiosrc} ! audioconvert ! queue ! l.audio_sink \
  latentsync name=l ${OPTIONS:-} ! queue ! videoconvert ! x264enc tune=zerolatency speed-preset=veryfast key-int-max=50 ! h264parse ! queue ! m. \
  l.audio_src ! queue ! audioconvert ! audioresample ! audiofirfilter latency=1024 ! audioconvert ! avenc_aac ! aacparse ! queue ! m. \
  flvmux name=m streamable=true ! ${SINK:-rtmp2sink} location="$1"
