#!/usr/bin/env bash
# Trains the demo model in one command: data, build, training, model, measures.
#
#     examples/train/run.sh [--clips FOLDER | --set FOLDER] [--preset cpu-small|h200] [--device cpu|cuda] [--minutes N]
#                           [--session-minutes N] [--pairs N] [--out FOLDER] [-- options of latentsync-train]
#
# --clips   clips with landmarks and index.csv: packed first (needs ffmpeg)
# --set     what `prepare.py pack` left (train-set, where neither is given)
# --session-minutes  ends in time for a command that may run so long, with status 75 while there is more to do; the same
#           command goes on. The build counts; 0 (the default) has no limit.
# --out     train-out: checkpoints, curves, the model with its card, measures; $OUT gets the small ones, too.
#
# Needs g++, ninja, meson, nlohmann-json and LibTorch 2.11: deps/libtorch (./setup.sh), else that of $PYTHON (python3); and
# OpenCV and numpy for $PYTHON, which are installed into a venv where they are missing. With nvcc the CUDA kernels are built.
set -euo pipefail
cd "$(dirname "$0")/../.."

started=$(date +%s)
clips='' set=train-set preset=cpu-small device=cpu minutes=30 session=0 pairs=8 out=train-out
python=${PYTHON:-python3}
more=()
while [ $# -gt 0 ]; do
  case $1 in
    --help) sed -n '2,15p' "$0"; exit 0 ;;
    --) shift; more=("$@"); break ;;
    --clips|--set|--preset|--device|--minutes|--session-minutes|--pairs|--out)
      [ $# -ge 2 ] || { echo "run.sh: $1 lacks its value" >&2; exit 2; }
      case $1 in
        --clips) clips=$2 ;; --set) set=$2 ;; --preset) preset=$2 ;; --device) device=$2 ;; --minutes) minutes=$2 ;;
        --session-minutes) session=$2 ;; --pairs) pairs=$2 ;; --out) out=$2 ;;
      esac
      shift 2 ;;
    *) echo "run.sh: there is no option $1; --help lists them" >&2; exit 2 ;;
  esac
done
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
mkdir -p "$out"
[ "$preset" = cpu-small ] && edge=128 || edge=256

say() { printf 'train: %s\n' "$*"; }
left() {  # minutes of the session that are left; 0 without a limit
  [ "$session" = 0 ] && { echo 0; return; }
  awk -v s="$session" -v now="$(date +%s)" -v t="$started" 'BEGIN { m = s - (now - t) / 60; print (m > 0.1 ? m : 0.1) }'
}

# --- data
if [ ! -f "$out/work/manifest.json" ]; then
  if ! "$python" -c 'import cv2, numpy' 2>/dev/null; then
    say "OpenCV for Python is missing: into a venv with it"
    python3 -m venv "$out/venv"
    "$out/venv/bin/pip" install --quiet -r examples/train/requirements.txt
    data_python=$out/venv/bin/python
  fi
  if [ -n "$clips" ]; then
    set=$out/set
    "${data_python:-$python}" examples/train/prepare.py pack "$clips" "$set" --edge "$edge"
  fi
  "${data_python:-$python}" examples/train/prepare.py unpack "$set" "$out/work"
fi

# --- build
[ ! -d .train-carry ] || export CPLUS_INCLUDE_PATH=$PWD/.train-carry/include
PATH=$PATH:$("$python" -c 'import sysconfig; print(sysconfig.get_path("scripts"))')
command -v nvcc >/dev/null || [ ! -x /usr/local/cuda/bin/nvcc ] || PATH=/usr/local/cuda/bin:$PATH
if [ ! -f build-train/build.ninja ]; then
  torch=deps/libtorch
  [ -d "$torch" ] && torch=$PWD/$torch ||
    torch=$("$python" -c 'import importlib.util as u, os; print(os.path.dirname(u.find_spec("torch").origin))')
  cuda=disabled
  if [ "$device" != cpu ]; then cuda=enabled; command -v nvcc >/dev/null || cuda=auto; fi
  rm -rf build-train
  meson setup build-train "-Dlibtorch=$torch" "-Dcuda=$cuda" -Dplugin=disabled -Dtests=disabled
fi
ninja -C build-train examples/train/latentsync-train examples/train/latentsync-measure

# --- train
trained=0
build-train/examples/train/latentsync-train --data "$out/work" --out "$out" --preset "$preset" --device "$device" \
  --minutes "$minutes" --session-minutes "$(left)" "${more[@]}" || trained=$?
if [ -n "${OUT:-}" ]; then
  mkdir -p "$OUT"
  cp -r "$out"/losses.* "$out"/preview.png "$out"/model "$OUT"/ 2>/dev/null || true
fi
if [ "$trained" = 75 ]; then
  say "more to do: give the same command again"
  exit 75
fi
[ "$trained" = 0 ] || exit "$trained"
if [ "$session" != 0 ] && awk -v l="$(left)" 'BEGIN { exit !(l < 4) }'; then
  say "trained; the measures need another session: give the same command again"
  exit 75
fi

# --- measures
say "size: $(du -sb "$out/model" | cut -f1) bytes"
rm -rf "$out/frames"  # mouths.py reads all that is there
build-train/examples/train/latentsync-measure --model "$out/model" --data "$out/work" --device "$device" --pairs "$pairs" \
  --frames "$out/frames" --out "$out/measures"
if ! "$python" -c 'import mediapipe' 2>/dev/null && [ ! -x "$out/venv-mouths/bin/python" ]; then
  { python3 -m venv "$out/venv-mouths" &&
    "$out/venv-mouths/bin/pip" install --quiet --no-deps -r examples/train/requirements-mouths.txt; } ||
    { rm -rf "$out/venv-mouths"; say "MediaPipe is missing and cannot be had here: mouths.md waits for a machine with downloads (docs/training.md)"; }
fi
mouths_python=$python
[ ! -x "$out/venv-mouths/bin/python" ] || mouths_python=$out/venv-mouths/bin/python
if "$mouths_python" -c 'import mediapipe' 2>/dev/null; then
  "$mouths_python" examples/train/mouths.py --data "$out/work" --frames "$out/frames" --out "$out/measures"
fi
"$python" examples/train/card.py "$out" "examples/train/run.sh --clips CLIPS --preset $preset --device $device --minutes $minutes${more[*]:+ -- ${more[*]}}" >"$out/model/README.md"
cp "$out/measures/sheet.png" "$out/model/contact-sheet.png"
if [ -n "${OUT:-}" ]; then cp -r "$out/measures" "$out/model" "$OUT"/; fi
cat "$out/measures/measures.md"
