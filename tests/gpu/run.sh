#!/usr/bin/env bash
# Everything that needs a GPU, in one command of at most 8 minutes. docs/gpu-queue.md says what each stage decides.
#
#     tests/gpu/run.sh [STAGE ...]        stages: those of the table below, in this order; default: all
#
# Needs a Python with torch 2.11.0+cu130 ($PYTHON, else python3), and either g++, nvcc 13.0, ninja and meson, or the binaries of
# `tests/gpu/pack.sh --binaries`; no GStreamer and no network. Other dependencies are in .gpu-carry: run tests/gpu/pack.sh first, on
# another machine.
#
# Writes summary.md, summary.json and a log of each stage to $LATENTSYNC_OUT, or to gpu-out/; build-gpu/ of one run is used by
# the next. Each stage has a share of the time. It may also use what the stages before it left; what does not fit is left out, and
# named at the end. $LATENTSYNC_GPU_SECONDS: all stages together, 480 by default; a stage that is run alone has all of it.
# $LATENTSYNC_GPU_BUILD, $LATENTSYNC_GPU_CARRY: other folders than build-gpu/ and .gpu-carry.
#
# Exit status: 0 all passed; 1 something failed; 2 command line; 3 nothing failed, but something was left out; 77 there is no GPU: the
# script built and ran what a CPU can.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

#       stage      share, s
shares='build      110
        goldens     85
        element     50
        bench       50
        peer        60
        plan        60
        profile     25
        sanitizer   40'

python=${PYTHON:-python3}
out=${LATENTSYNC_OUT:-$PWD/gpu-out}
build=${LATENTSYNC_GPU_BUILD:-$PWD/build-gpu}
results=$build/results
# shellcheck disable=SC2034  # the stages use it
carry=${LATENTSYNC_GPU_CARRY:-$PWD/.gpu-carry}
total=${LATENTSYNC_GPU_SECONDS:-480}
failures=0
omissions=0

export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
# float32 means float32: no TensorFloat-32 in any library.
export NVIDIA_TF32_OVERRIDE=0

say() { printf 'gpu: %s\n' "$*"; }
die() { say "$*"; exit 1; }

# --- verdicts, for summary.py ----------------------------------------------------------------------------------------

# verdict, what, detail
record() { printf '%s\t%s\t%s\n' "$1" "$2" "${3:-}" >>"$results/$stage.verdicts"; }
pass() { record passed "$@"; }
fail() { say "FAILED: $*"; failures=$((failures + 1)); record failed "$@"; }
leave_out() { say "left out: $*"; omissions=$((omissions + 1)); record 'left out' "$@"; }

# --- time ------------------------------------------------------------------------------------------------------------

share_of() { awk -v stage="$1" '$1 == stage { print $2 }' <<<"$shares"; }
left() { echo $((ends - SECONDS)); }

# NAME LEAST COMMAND ...: runs the command, its output in the stage's log, if LEAST seconds are left, until the stage's end at the latest.
# Returns its status; 124 if it was left out.
bounded() {
  local name=$1 least=$2 status=0
  shift 2
  if [ "$(left)" -lt "$least" ]; then
    leave_out "$name" "it takes about $least s, $(left) were left"
    return 124
  fi
  say "$name"
  timeout --kill-after=5 "$(left)" "$@" </dev/null >>"$out/$stage.log" 2>&1 || status=$?
  [ "$status" != 137 ] || status=124
  [ "$status" != 124 ] || leave_out "$name" "it was stopped at the end of the stage's time"
  return "$status"
}

# --- arguments -------------------------------------------------------------------------------------------------------

names=$(awk '{ print $1 }' <<<"$shares" | xargs)
requested=${*:-$names}
for stage in $requested; do
  [ -n "$(share_of "$stage")" ] || { say "no such stage: $stage ($names)"; exit 2; }
done

# --- the machine -----------------------------------------------------------------------------------------------------

device=cpu
if nvidia-smi -L 2>/dev/null | grep -q '^GPU' || [ -e /dev/nvidia0 ]; then device=cuda; fi

# shellcheck disable=SC2034  # likewise
torch_root=$("$python" -c 'import importlib.util as u, os; print(os.path.dirname(u.find_spec("torch").origin))' 2>/dev/null) ||
  die "$python has no torch: set PYTHON to a Python with torch 2.11.0"

# meson and ninja may lie beside that Python alone.
PATH=$PATH:$("$python" -c 'import sysconfig; print(sysconfig.get_path("scripts"))')

# --- stages ----------------------------------------------------------------------------------------------------------

for file in tests/gpu/stages/*.sh; do
  # shellcheck source=/dev/null
  . "$file"
done

mkdir -p "$out" "$results" || exit 1
use_unpacked_binaries
[ "$device" = cuda ] || say "no GPU found: this run only checks the build and the scripts"

remaining=0
for stage in $requested; do remaining=$((remaining + $(share_of "$stage"))); done
for stage in $requested; do
  remaining=$((remaining - $(share_of "$stage")))
  ends=$((total - remaining))
  started=$SECONDS
  : >"$out/$stage.log"
  : >"$results/$stage.verdicts"
  say "== $stage ($((ends - started)) s)"
  "stage_$stage"
  echo $((SECONDS - started)) >"$results/$stage.seconds"
  summary=$("$python" tests/gpu/summary.py "$results" "$out" "$device")  # what a later time-out leaves
  say "$stage took $((SECONDS - started)) s"
done

printf '%s\n' "$summary"
if [ "$failures" != 0 ]; then
  say "$failures failed, see $out"
  exit 1
fi
if [ "$device" = cpu ]; then
  say "no GPU found: nothing was run on CUDA; of what needs no GPU nothing failed, $omissions were left out"
  exit 77
fi
if [ "$omissions" != 0 ]; then
  say "nothing failed, but $omissions were left out: run their stages alone; $out/summary.md has the table"
  exit 3
fi
say "all passed; $out/summary.md has the table"
