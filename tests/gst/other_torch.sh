#!/usr/bin/env bash
# The element in Python programs that import PyTorch, before and after it is loaded: released PyTorch wheels, and the
# engine of this build.
#
#     tests/gst/other_torch.sh [VERSION...]
#
# The versions are 2.10.0 and 2.11.0 unless others are given. Each goes to deps/other-torch ($LATENTSYNC_DEPS/other-torch)
# with the CUDA libraries it needs: 6 GB. Needs python3-gi, python3-venv and gir1.2-gstreamer-1.0, and Debian's Python.
set -euo pipefail
cd "$(dirname "$0")/../.."
case ${1:-} in -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;; esac

deps=${LATENTSYNC_DEPS:-$PWD/deps}/other-torch
python=/usr/bin/python3
export GST_PLUGIN_PATH=$PWD/build/gst OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
[ $# -gt 0 ] || set -- 2.10.0 2.11.0
"$python" -c 'import gi; gi.require_version("Gst", "1.0")' ||
  { echo "other_torch: install python3-gi and gir1.2-gstreamer-1.0" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ffmpeg -nostdin -v error -i examples/media/grid_drp-m.mp4 -i examples/media/demo1_audio.wav \
  -map 0:v -vf scale=288:288 -frames:v 8 -pix_fmt yuv420p -c:v ffv1 "$work/in.mkv" -map 1:a -t 1 "$work/speech.wav"

failed=0
for version in "$@"; do
  venv=$deps/$version
  if [ ! -e "$venv/.done" ]; then
    rm -rf "$venv"
    "$python" -m venv --system-site-packages "$venv"
    "$venv/bin/pip" install --quiet --no-cache-dir "torch==$version" numpy
    touch "$venv/.done"
  fi
  for order in before after; do
    echo "== PyTorch $version, imported $order"
    timeout -k 5 300 "$venv/bin/python" tests/gst/other_torch.py "$order" "$work" || failed=$((failed + 1))
  done
done
echo "$failed failed"
[ "$failed" = 0 ]
