#!/usr/bin/env bash
# Trains the demo model in one command: data, build, training, model, measures.
#
#     examples/train/run.sh [--clips FOLDER [--validation SPEAKER] [--drivers NAMES] | --set FOLDER]
#                           [--preset cpu-small|h200] [--device cpu|cuda] [--minutes N | --steps N] [--session-minutes N]
#                           [--pairs N] [--out FOLDER] [-- options of latentsync-train]
#
# --clips   folder of clips with landmarks and index.csv; they are packed first (needs ffmpeg and OpenCV)
# --validation, --drivers   the speaker, and the clips (NAME,NAME), that are held out of the training for measurements, as
#           in `prepare.py pack`, whose defaults are GRID's
# --set     the output of `prepare.py pack` (default if neither is given: train-set)
# --steps   steps of the UNet, everything else in proportion, instead of minutes (30): a run that is not interrupted can
#           then be repeated with the same result under any load
# --session-minutes  exit before this time is over, with status 75 if the run is not finished; the same command
#           resumes it. The build counts; at least 6; 0 (the default): no limit. On a CPU it limits only the training:
#           the measurements take longer than the four minutes that are reserved for them.
# --out     train-out: checkpoints, curves, the model with its card, measures. The folder belongs to one command: the same
#           command resumes it or, if it is finished, measures again; other commands are refused. More --minutes or --steps
#           are allowed. If $LATENTSYNC_OUT is set to a folder, the small files are also copied there.
#
# Needs g++, ninja, meson, nlohmann-json, xxHash and LibTorch 2.11: deps/libtorch (or $LATENTSYNC_DEPS/libtorch) from ./setup.sh,
# otherwise that of $PYTHON (python3); and OpenCV and numpy for $PYTHON, which are installed into a venv if they are
# missing. --device cuda also needs nvcc and LibTorch's CUDA part. Each kind of device has its own build folder.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf 'train: %s\n' "$*"; }
die() { printf 'run.sh: %s\n' "$1" >&2; exit "${2:-1}"; }

started=$(date +%s)
clips='' set='' preset=cpu-small device=cpu minutes='' steps='' session=0 pairs=8 out=train-out
python=${PYTHON:-python3}
parts=() more=()
while [ $# -gt 0 ]; do
  case $1 in
    -h|--help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' examples/train/run.sh; exit 0 ;;
    --) shift; more=("$@"); break ;;
    --clips|--set|--validation|--drivers|--preset|--device|--minutes|--steps|--session-minutes|--pairs|--out)
      [ $# -ge 2 ] || die "$1 needs a value" 2
      case $1 in
        --clips) clips=$2 ;; --set) set=$2 ;; --preset) preset=$2 ;; --device) device=$2 ;; --minutes) minutes=$2 ;; --steps) steps=$2 ;;
        --session-minutes) session=$2 ;; --pairs) pairs=$2 ;; --out) out=$2 ;;
        --validation|--drivers) parts+=("$1" "$2") ;;
      esac
      shift 2 ;;
    *) die "unknown option $1; --help lists the options" 2 ;;
  esac
done

# --- check the arguments before anything is written
number='^[0-9]+(\.[0-9]+)?$'
case $preset in
  cpu-small | h200) edge=256 ;;
  *) die "unknown preset \"$preset\": use cpu-small or h200" 2 ;;
esac
[[ $device =~ ^(cpu|cuda(:[0-9]+)?)$ ]] || die "unknown device \"$device\": use cpu, cuda or cuda:N" 2
[ -z "$steps" ] || [ -z "$minutes" ] || die "give --steps or --minutes, not both" 2
[ -n "$steps" ] || minutes=${minutes:-30}
[[ ${minutes:-0} =~ $number ]] || die "--minutes takes a number, not \"$minutes\"" 2
[[ ${steps:-1} =~ ^[1-9][0-9]*$ ]] || die "--steps takes a whole number from 1 on, not \"$steps\"" 2
budget=(--minutes "$minutes")
[ -z "$steps" ] || budget=(--steps "$steps")
[[ $session =~ $number ]] || die "--session-minutes takes a number, not \"$session\"" 2
[[ $pairs =~ ^[1-9][0-9]*$ ]] || die "--pairs takes a whole number from 1 on, not \"$pairs\"" 2
awk -v s="$session" 'BEGIN { exit !(s == 0 || s >= 6) }' ||
  die "--session-minutes takes 6 or more: the measurements alone need four" 2
[ -z "$clips" ] || [ -z "$set" ] || die "give --clips or --set, not both" 2
[ -n "$clips" ] || [ ${#parts[@]} = 0 ] || die "${parts[0]} is an option of packing and needs --clips" 2

command -v "$python" >/dev/null || die "$python was not found: install Python 3, or set PYTHON to its path"
number_in() {  # the number that a JSON file has under a name, or nothing
  "$python" -c 'import json, sys; print(json.load(open(sys.argv[1])).get(sys.argv[2], ""))' "$1" "$2" 2>/dev/null ||
    die "$1 is damaged: create its folder again"
}
for ((i = 0; i + 1 < ${#more[@]}; i += 2)); do
  [ "${more[i]}" = --init ] || continue
  config=${more[i + 1]}/config.json edge=''  # its shape counts, not the preset's
  [ ! -f "$config" ] || edge=$(number_in "$config" resolution)
  edge=${edge:-512}  # the published models'
done
check_edge() {  # FOLDER, what to do where it is of another edge
  local its
  its=$(number_in "$1/manifest.json" edge)
  [ "$its" = "$edge" ] || die "$1 has crops of $its pixels, this model needs $edge: $2"
}
given=${set:-train-set}

# Of the command that OUT belongs to: its data, what is left out, how it trains, how long.
its=()
[ ! -f "$out/command" ] || mapfile -t its <"$out/command"
begun=no
for checkpoint in audio.safetensors unet.safetensors finished; do [ ! -e "$out/state/$checkpoint" ] || begun=yes; done
if [ -z "$clips$set" ] && [ -f "$out/work/manifest.json" ] && [ ${#its[@]} = 4 ]; then
  data=${its[0]} left_out=${its[1]}
else
  data="--set $(realpath -m "$given")" left_out=${parts[*]}
  [ -z "$clips" ] || data="--clips $(realpath -m "$clips")"
fi
how="--preset $preset --device ${device%%:*}${more[*]:+ -- ${more[*]}}"
if [ ${#its[@]} = 4 ]; then
  other="$out belongs to another command (run.sh ${its[0]}${its[1]:+ ${its[1]}} ${its[2]%% -- *} ${its[3]}"
  [[ ${its[2]} != *" -- "* ]] || other+=" -- ${its[2]#* -- }"
  other+="): use another --out, or remove $out"
  if [ "$begun" = yes ] || [ -f "$out/work/manifest.json" ]; then
    [ "$data $left_out" = "${its[0]} ${its[1]}" ] || die "$other"
  fi
  if [ "$begun" = yes ]; then
    [ "$how ${budget[0]}" = "${its[2]} ${its[3]%% *}" ] || die "$other"
  fi
  [ ! -e "$out/state/finished" ] || [ "${budget[*]}" = "${its[3]}" ] ||
    die "$out is finished, with ${its[3]}: to continue with ${budget[*]} remove $out/state/finished, otherwise use another --out"
fi

if [ -f "$out/work/manifest.json" ]; then
  check_edge "$out/work" "remove $out/work and $out/state, or use another --out"
  [ -z "$clips" ] || say "the data is already in $out/work; if the clips have changed, remove that folder"
elif [ -n "$clips" ]; then
  [ -f "$clips/index.csv" ] || die "$clips/index.csv is missing: --clips takes the folder of the clips and their index (made by clips.py)"
elif [ -f "$given/manifest.json" ]; then
  check_edge "$given" "remove $given and run \`prepare.py pack\` with --edge $edge"
else
  die "$given/manifest.json is missing: give --clips, or --set with the output of \`prepare.py pack\`"
fi

torch=${LATENTSYNC_DEPS:-$PWD/deps}/libtorch
if [ ! -d "$torch" ]; then
  torch=$("$python" -c 'import importlib.util as u, os; s = u.find_spec("torch"); print(os.path.dirname(s.origin) if s else "")')
  [ -n "$torch" ] || die "LibTorch is missing: run ./setup.sh, or set PYTHON to a Python that has PyTorch 2.11.0"
  say "LibTorch of $python: $torch"
fi
cuda=disabled
if [ "$device" != cpu ]; then
  cuda=enabled
  for folder in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda; do
    command -v nvcc >/dev/null || [ -z "$folder" ] || [ ! -x "$folder/bin/nvcc" ] || PATH=$folder/bin:$PATH
  done
  command -v nvcc >/dev/null ||
    die "--device $device needs nvcc 13.0, for this project's kernels: put it on the PATH, or set CUDA_HOME to its toolkit"
  [ -e "$torch/lib/libtorch_cuda.so" ] || die "$torch has no CUDA part, which --device $device needs: run ./setup.sh --cuda"
fi
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
# Tensors come and go at every step: what is freed is kept, not given back to be cleared and mapped again.
export MALLOC_MMAP_THRESHOLD_=${MALLOC_MMAP_THRESHOLD_:-33554432} MALLOC_TRIM_THRESHOLD_=${MALLOC_TRIM_THRESHOLD_:-8589934592}
mkdir -p "$out"
printf '%s\n' "$data" "$left_out" "$how" "${budget[*]}" >"$out/command"

left() {  # minutes of the session that are left; 0 without a limit
  awk -v s="$session" -v now="$(date +%s)" -v t="$started" \
    'BEGIN { m = s - (now - t) / 60; print (s == 0 ? 0 : m > 0.1 ? m : 0.1) }'
}

# --- data
if [ ! -f "$out/work/manifest.json" ]; then
  if ! "$python" -c 'import cv2, numpy' 2>/dev/null; then
    say "OpenCV for Python is missing: installing it into a venv"
    python3 -m venv "$out/venv" ||
      { rm -rf "$out/venv"; die "the venv could not be created: apt-get install python3-venv, or set PYTHON to a Python with OpenCV and numpy"; }
    "$out/venv/bin/pip" install --quiet -r examples/train/requirements.txt ||
      die "OpenCV could not be downloaded (see above): set PYTHON to a Python with OpenCV and numpy"
    data_python=$out/venv/bin/python
  fi
  if [ -n "$clips" ]; then
    given=$out/set
    "${data_python:-$python}" examples/train/prepare.py pack "$clips" "$given" --edge "$edge" "${parts[@]}"
  fi
  "${data_python:-$python}" examples/train/prepare.py unpack "$given" "$out/work"
fi

# --- build
[ ! -d .train-carry ] || export CPLUS_INCLUDE_PATH=$PWD/.train-carry/include
PATH=$PATH:$("$python" -c 'import sysconfig; print(sysconfig.get_path("scripts"))')
build=build-train-${device%%:*}
if [ ! -f "$build/build.ninja" ] || [ "$(cat "$build/libtorch" 2>/dev/null)" != "$torch" ] ||
  [ "$torch/.stamp" -nt "$build/libtorch" ]; then
  # Nothing is built yet, or with another LibTorch: what meson has cached is outdated.
  rm -rf "$build"
  meson setup "$build" "-Dlibtorch=$torch" "-Dcuda=$cuda" -Dplugin=disabled -Dtests=disabled
  echo "$torch" >"$build/libtorch"
fi
ninja -C "$build" examples/train/latentsync-train examples/train/latentsync-measure

# --- train
trained=0
"$build"/examples/train/latentsync-train --data "$out/work" --out "$out" --preset "$preset" --device "$device" \
  "${budget[@]}" --session-minutes "$(left)" "${more[@]}" || trained=$?
if [ -n "${LATENTSYNC_OUT:-}" ]; then
  mkdir -p "$LATENTSYNC_OUT"
  cp -r "$out"/losses.* "$out"/preview.png "$out"/model "$LATENTSYNC_OUT"/ 2>/dev/null || true
fi
if [ "$trained" = 75 ]; then
  say "not finished yet: run the same command again"
  exit 75
fi
[ "$trained" = 0 ] || exit "$trained"
if [ "$session" != 0 ] && awk -v l="$(left)" 'BEGIN { exit !(l < 4) }'; then
  say "trained; the measurements need another session: run the same command again"
  exit 75
fi

# --- measures
say "size: $(du -sb "$out/model" | cut -f1) bytes"
rm -rf "$out/frames" "$out"/measures/{sheet.png,mouths.*}  # a data set may have no clips for some tests, or for none
"$build"/examples/train/latentsync-measure --model "$out/model" --data "$out/work" --device "$device" --pairs "$pairs" \
  --frames "$out/frames" --out "$out/measures"
if ! compgen -G "$out/frames/*.safetensors" >/dev/null; then
  say "nothing was rendered, so no mouths are measured"
else
  if ! "$python" -c 'import mediapipe' 2>/dev/null && [ ! -x "$out/venv-mouths/bin/python" ]; then
    { python3 -m venv "$out/venv-mouths" &&
      "$out/venv-mouths/bin/pip" install --quiet --no-deps -r examples/train/requirements-mouths.txt; } ||
      { rm -rf "$out/venv-mouths"; say "MediaPipe is missing and cannot be installed: mouths.md needs a machine with internet access (docs/training.md)"; }
  fi
  mouths_python=$python
  [ ! -x "$out/venv-mouths/bin/python" ] || mouths_python=$out/venv-mouths/bin/python
  if "$mouths_python" -c 'import mediapipe' 2>/dev/null; then
    "$mouths_python" examples/train/mouths.py --data "$out/work" --frames "$out/frames" --out "$out/measures" ||
      say "mouths.md is missing (see above) and is left out of the model card"
  fi
fi
used="--set SET"
[[ $data != --clips* ]] || used="--clips CLIPS${left_out:+ $left_out}"
options=()
for option in "${more[@]}"; do  # of a path on this machine only its end
  case $option in /*) option=${option%/} option=${option##*/} ;; esac
  options+=("$option")
done
"$python" examples/train/card.py "$out" \
  "examples/train/run.sh $used --preset $preset --device $device ${budget[*]}${options[*]:+ -- ${options[*]}}" \
  >"$out/model/README.md"
if [ -f "$out/measures/sheet.png" ]; then
  cp "$out/measures/sheet.png" "$out/model/contact-sheet.png"
else
  rm -f "$out/model/contact-sheet.png"
fi
if [ -n "${LATENTSYNC_OUT:-}" ]; then cp -r "$out/measures" "$out/model" "$LATENTSYNC_OUT"/; fi
cat "$out/measures/measures.md"
