#!/usr/bin/env bash
# A camera and a microphone, sent by RTP over UDP: H.264 and Opus, with RTCP beside each.
# usage: rtp-out.sh [HOST [PORT]]   PORT to PORT+3 (5004); CAMERA and MICROPHONE are elements
set -euo pipefail
host=${1:-127.0.0.1} port=${2:-5004}
exec ${LAUNCH:-gst-launch-1.0} rtpbin name=r rtp-profile=avpf \
  ${CAMERA:-v4l2src} ! videoconvert ! queue ! l.video_sink \
  ${MICROPHONE:-autoaudiosrc} ! audioconvert ! queue ! l.audio_sink \
  latentsync name=l ${OPTIONS:-} ! queue ! videoconvert ! x264enc tune=zerolatency speed-preset=veryfast key-int-max=50 ! \
  rtph264pay config-interval=-1 ! r.send_rtp_sink_0 \
  l.audio_src ! queue ! audioconvert ! audioresample ! opusenc ! rtpopuspay pt=97 ! r.send_rtp_sink_1 \
  r.send_rtp_src_0 ! udpsink host="$host" port="$port" \
  r.send_rtcp_src_0 ! udpsink host="$host" port=$((port + 1)) sync=false async=false \
  r.send_rtp_src_1 ! udpsink host="$host" port=$((port + 2)) \
  r.send_rtcp_src_1 ! udpsink host="$host" port=$((port + 3)) sync=false async=false
