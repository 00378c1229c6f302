#!/usr/bin/env bash
# H.264 and Opus that arrive by RTP over UDP, with RTCP beside each, in a window and on the loudspeaker.
# usage: rtp-in.sh [PORT]   PORT to PORT+3 (5004); WINDOW and LOUDSPEAKER are elements
set -euo pipefail
port=${1:-5004}
exec ${LAUNCH:-gst-launch-1.0} rtpbin name=r \
  udpsrc port="$port" caps="application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=96" ! r.recv_rtp_sink_0 \
  udpsrc port=$((port + 1)) caps=application/x-rtcp ! r.recv_rtcp_sink_0 \
  udpsrc port=$((port + 2)) caps="application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=97" ! r.recv_rtp_sink_1 \
  udpsrc port=$((port + 3)) caps=application/x-rtcp ! r.recv_rtcp_sink_1 \
  r. : application/x-rtp,media=video ! funnel ! rtph264depay ! avdec_h264 ! videoconvert ! queue ! l.video_sink \
  r. : application/x-rtp,media=audio ! funnel ! rtpopusdepay ! opusdec ! queue ! l.audio_sink \
  latentsync name=l ${OPTIONS:-} ! queue ! videoconvert ! ${WINDOW:-autovideosink} \
  l.audio_src ! queue ! audioconvert ! audioresample ! ${LOUDSPEAKER:-autoaudiosink}
