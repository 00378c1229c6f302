#!/usr/bin/env bash
# GES renders a timeline of two cuts of a video; the speech stays with the pictures. The sound is the video's own.
# usage: edit.sh VIDEO SPEECH OUT.mkv   files or URIs; CUTS, PROFILE and CAPS (of the video) are those of ges-launch-1.0
# Debian: ges1.0-tools
set -euo pipefail
[ $# = 3 ] || { sed -n 's/^# usage/usage/p' "$0" >&2; exit 2; }
uri() { case $1 in *://*) printf '%s' "$1" ;; *) printf 'file://%s' "$(realpath -- "$1")" ;; esac; }
timeline=()
for cut in ${CUTS:-inpoint=0.0,duration=1.0 inpoint=2.0,duration=1.0}; do
  timeline+=(+clip "$(uri "$1")")
  for option in ${cut//,/ }; do timeline+=("${option}"); done
  timeline+=(+effect "latentsyncbin audio-uri=$(uri "$2") audio-context=whole ${OPTIONS:-}")
done
exec ges-launch-1.0 --disable-mixing "${timeline[@]}" --video-caps "${CAPS:-video/x-raw,width=1280,height=720,framerate=30/1}" -o "$(uri "$3")" -f "${PROFILE:-video/x-matroska:video/x-h264:audio/x-vorbis}"
