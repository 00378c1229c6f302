#!/usr/bin/env bash
# playbin shows a video whose lips follow the speech of another file. The sound is the video's own.
# usage: play.sh VIDEO SPEECH   files or URIs; WINDOW and LOUDSPEAKER are elements
set -euo pipefail
[ $# = 2 ] || { sed -n 's/^# usage/usage/p' "$0" >&2; exit 2; }
uri() { case $1 in *://*) printf '%s' "$1" ;; *) printf 'file://%s' "$(realpath -- "$1")" ;; esac; }
exec ${LAUNCH:-gst-launch-1.0} playbin uri="$(uri "$1")" \
  video-filter="latentsyncbin audio-uri=$(uri "$2") ${OPTIONS:-}" \
  video-sink="${WINDOW:-autovideosink}" audio-sink="${LOUDSPEAKER:-autoaudiosink}"
