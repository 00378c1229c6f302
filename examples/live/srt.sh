#!/usr/bin/env bash
# A relay: waits as SRT listener for MPEG-TS with H.264 and AAC, and sends it on, lip-synced, as SRT caller.
# usage: srt.sh [IN_PORT [OUT_URI]]   7001, srt://127.0.0.1:7002
set -euo pipefail
exec ${LAUNCH:-gst-launch-1.0} \
  srtsrc uri="srt://:${1:-7001}?mode=listener" ! tsdemux name=d \
  d. ! queue ! h264parse ! avdec_h264 ! videoconvert ! queue ! l.video_sink \
  d. ! queue ! aacparse ! avdec_aac ! audioconvert ! queue ! l.audio_sink \
  latentsync name=l ${OPTIONS:-} ! queue ! videoconvert ! x264enc tune=zerolatency speed-preset=veryfast key-int-max=50 ! h264parse config-interval=-1 ! queue ! m. \
  l.audio_src ! queue ! audioconvert ! audioresample ! audiofirfilter latency=1024 ! audioconvert ! avenc_aac ! aacparse ! queue ! m. \
  mpegtsmux name=m alignment=7 ! srtsink uri="${2:-srt://127.0.0.1:7002}?mode=caller"
