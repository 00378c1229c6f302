#!/usr/bin/env bash
# Makes a folder of at most 60 MB that trains by itself on a machine without GStreamer and without downloads: the sources
# that the trainer is built from, the data set, TAESD and the face networks, nlohmann-json's headers.
#
#     examples/train/pack.sh CLIPS OUT [EDGE]        EDGE: of the crops, 256 unless said otherwise
#     cd OUT && examples/train/run.sh --preset h200 --device cuda --minutes 25
#
# CLIPS holds clips, landmarks and index.csv (docs/training.md). $PYTHON needs examples/train/requirements.txt.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
[ $# -ge 2 ] || { sed -n '2,9p' "$0"; exit 2; }
clips=$1 out=$2 edge=${3:-256} python=${PYTHON:-python3}

mkdir -p "$out"
for part in core kernels meson examples/train models/face models/taesd meson.build meson_options.txt LICENSE; do
  mkdir -p "$out/$(dirname "$part")"
  rm -rf "${out:?}/$part"
  cp -r "$root/$part" "$out/$part"
done
mkdir -p "$out/.train-carry/include"
headers=/usr/include/nlohmann
[ -d "$headers" ] || headers=$root/.gpu-carry/include/nlohmann
[ -d "$headers" ] || { echo "pack.sh: nlohmann-json's headers are missing: run ./setup.sh" >&2; exit 1; }
cp -r "$headers" "$out/.train-carry/include/"

"$python" "$root/examples/train/prepare.py" pack "$clips" "$out/train-set" --edge "$edge"

bytes=$(du -sb "$out" | cut -f1)
echo "$((bytes / 1000000)) MB in $out"
if [ "$bytes" -gt 60000000 ]; then
  echo "pack.sh: more than 60 MB; give prepare.py a higher --quality number, or fewer clips" >&2
  exit 1
fi
