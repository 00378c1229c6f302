#!/usr/bin/env bash
# A talking head: a clip runs in a loop and says what is written. Needs espeak-ng and ffmpeg.
# usage: speak.sh CLIP TEXT   WINDOW and LOUDSPEAKER are elements
set -euo pipefail
[ $# = 2 ] || { sed -n 's/^# usage/usage/p' "$0" >&2; exit 2; }
speech=$(mktemp --suffix=.wav)
trap 'rm -f "$speech"' EXIT
espeak-ng -w "$speech" -- "$2"
# The clip, again and again, as long as the speech is.
seconds=$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$speech")
gst-launch-1.0 \
  latentsync name=l ${OPTIONS:-} ! queue ! videoconvert ! ${WINDOW:-autovideosink} \
  l.audio_src ! queue ! audioconvert ! audioresample ! ${LOUDSPEAKER:-autoaudiosink} \
  fdsrc ! matroskademux ! avdec_ffv1 ! videoconvert ! queue ! l.video_sink \
  filesrc location="$speech" ! wavparse ! queue ! l.audio_sink \
  < <(ffmpeg -v error -stream_loop -1 -i "$1" -t "$seconds" -an -c:v ffv1 -f matroska - < /dev/null)
