#!/usr/bin/env bash
# uritranscodebin writes a file whose lips follow the speech of another file. The sound is the video's own.
# usage: convert.sh VIDEO SPEECH OUT.mkv   files or URIs; PROFILE is an encoding profile
set -euo pipefail
[ $# = 3 ] || { sed -n 's/^# usage/usage/p' "$0" >&2; exit 2; }
uri() { case $1 in *://*) printf '%s' "$1" ;; *) printf 'file://%s' "$(realpath -- "$1")" ;; esac; }
exec ${LAUNCH:-gst-launch-1.0} uritranscodebin source-uri="$(uri "$1")" dest-uri="$(uri "$3")" \
  profile="${PROFILE:-video/x-matroska:video/x-h264|variable-framerate=true:audio/x-vorbis}" \
  video-filter="latentsyncbin audio-uri=$(uri "$2") audio-context=whole ${OPTIONS:-}"
