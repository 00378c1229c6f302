#!/usr/bin/env bash
# Makes a folder of at most 60 MB for training on a machine without GStreamer and without internet access: the sources of
# the trainer, the data set, TAESD, the face networks, nlohmann-json's and xxHash's headers, and the demo model's audio encoder (for
# --encoder models/demo) and, if the limit allows it, everything that --init models/demo needs (17 MB more).
#
#     examples/train/pack.sh CLIPS OUT [EDGE] [options of `prepare.py pack`]
#     cd OUT && examples/train/run.sh --preset h200 --device cuda --minutes 25
#
# CLIPS holds clips, landmarks and index.csv (docs/training.md). EDGE: edge of the crops, default 256. The options are
# --validation, --drivers, --quality and the others that `prepare.py pack --help` lists. $PYTHON needs examples/train/requirements.txt.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }
case ${1:-} in -h|--help) usage; exit 0 ;; esac
[ $# -ge 2 ] || { usage >&2; exit 2; }
clips=$1 out=$2 edge=256 python=${PYTHON:-python3}
shift 2
case ${1:-} in [0-9]*) edge=$1; shift ;; esac
[ -f "$clips/index.csv" ] || { echo "pack.sh: $clips/index.csv is missing: give the folder of the clips and their index" >&2; exit 1; }

mkdir -p "$out"
rm -rf "${out:?}/models/demo"
for part in core kernels meson examples/train models/{face,taesd} models/demo/{README.md,config.json,whisper} meson.build \
  meson_options.txt LICENSE; do
  mkdir -p "$out/$(dirname "$part")"
  rm -rf "${out:?}/$part"
  cp -r "$root/$part" "$out/$part"
done
mkdir -p "$out/.train-carry/include"
for header in nlohmann/json.hpp xxhash.h; do
  headers=/usr/include
  [ -f "$headers/$header" ] || headers=$root/.gpu-carry/include
  [ -f "$headers/$header" ] || { echo "pack.sh: the header $header is missing: run ./setup.sh" >&2; exit 1; }
  cp -r "$headers/${header%/*}" "$out/.train-carry/include/"
done

[ -f "$out/train-set/index.csv" ] || rm -rf "$out/train-set"  # remove clips of an earlier call, but never CLIPS itself
"$python" "$root/examples/train/prepare.py" pack "$clips" "$out/train-set" --edge "$edge" "$@"

most=60000000
to_go_on=("$root"/models/demo/{latentsync_unet.safetensors,vae})
bytes=$(du -sb "$out" | cut -f1)
if [ $((bytes + $(du -scb "${to_go_on[@]}" | tail -n 1 | cut -f1))) -le "$most" ]; then
  cp -r "${to_go_on[@]}" "$out/models/demo/"
  bytes=$(du -sb "$out" | cut -f1)
else
  echo "pack.sh: the demo model's UNet is left out, because the folder would exceed 60 MB: --init models/demo will not work"
fi
echo "$((bytes / 1000000)) MB in $out"
if [ "$bytes" -gt "$most" ]; then
  echo "pack.sh: the folder exceeds 60 MB: use a higher --quality number (default 22), or fewer clips" >&2
  exit 1
fi
