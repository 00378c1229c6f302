#!/usr/bin/env bash
# A file whose lips follow the speech, with that speech as its sound.
# usage: file.sh VIDEO SPEECH OUT.mkv   files or URIs; ENCODER and SOUND_ENCODER are elements
set -euo pipefail
[ $# = 3 ] || { sed -n 's/^# usage/usage/p' "$0" >&2; exit 2; }
uri() { case $1 in *://*) printf '%s' "$1" ;; *) printf 'file://%s' "$(realpath -- "$1")" ;; esac; }
exec ${LAUNCH:-gst-launch-1.0} matroskamux name=m ! filesink location="$3" \
  uridecodebin uri="$(uri "$1")" caps="video/x-raw(ANY)" expose-all-streams=false ! videoconvert ! queue ! \
  latentsyncbin audio-uri="$(uri "$2")" audio-context=whole ${OPTIONS:-} ! queue ! videoconvert ! ${ENCODER:-x264enc} ! queue ! m. \
  uridecodebin uri="$(uri "$2")" caps="audio/x-raw(ANY)" expose-all-streams=false ! audioconvert ! audioresample ! \
  ${SOUND_ENCODER:-vorbisenc} ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! m.
