#!/usr/bin/env bash
# Sets up, builds and runs all tests; finished steps are not repeated. The last line is "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
usage: tests/run.sh [--slow] [--no-setup] [--build-only] [--jobs N] [--filter PATTERN] [--help]

  --slow            also the real-size suites: takes minutes, and 8 GB of memory
  --no-setup        do not run ./setup.sh first (build/ is configured, or the compiler finds LibTorch)
  --build-only      set up and build, run no tests
  --jobs N          suites that run at the same time (2); those that measure time as it passes run alone
  --filter PATTERN  a GoogleTest filter for every suite, e.g. 'Safetensors.*'

$LATENTSYNC_GOLDEN_DIR: golden data to use instead of tests/data/golden.
$LATENTSYNC_TEST_DEVICE, $LATENTSYNC_TEST_PRECISION: cpu, cuda, cuda:N; float32, bfloat16, float16.
TEXT
}

slow=no
setup=yes
build_only=no
jobs=2
filter='*'
while [ $# -gt 0 ]; do
  case $1 in
    --slow) slow=yes ;;
    --no-setup) setup=no ;;
    --build-only) build_only=yes ;;
    --jobs) jobs=${2:?--jobs needs a number}; shift ;;
    --filter) filter=${2:?--filter needs a pattern}; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

# Threads that wait by spinning starve each other where cores are few or shared.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
export MALLOC_ARENA_MAX=${MALLOC_ARENA_MAX:-4}
if ! command -v nvcc >/dev/null && [ -x "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" ]; then
  PATH=${CUDA_HOME:-/usr/local/cuda}/bin:$PATH
fi

build() {
  [ "$setup" = no ] || ./setup.sh
  local libtorch=${LATENTSYNC_DEPS:-$PWD/deps}/libtorch options=(-Dtests=enabled)
  [ -z "${LATENTSYNC_DEPS:-}" ] || options+=("-Dlibtorch=$libtorch")
  if [ ! -f build/build.ninja ]; then
    rm -rf build
    meson setup build "${options[@]}"
  elif [ "$libtorch/.stamp" -nt build/build.ninja ]; then
    # Another LibTorch than the one that was configured: what meson found is of no use any more.
    meson setup --wipe build
  fi
  ninja -C build
}

logs=build/tests/logs

# In real time, with bounds on when something arrives: one by one, after the others.
in_real_time='gst-(bin_channel|chains|late_policy|live|live_graphs|outage|real_time|webrtc)-tests'

# One GoogleTest executable. A crash, a time-out or a suite that ends early counts as a failure.
run_suite() {
  local suite=$1 name=${1##*/} limit=$2 status=0 ok bad
  local log=$logs/$name.log
  timeout --kill-after=10 "$limit" "$suite" "--gtest_filter=$filter" </dev/null >"$log" 2>&1 || status=$?
  ok=$(grep -c '\[       OK \]' "$log" || true)
  bad=$(grep -cE '\[  FAILED  \] .*\([0-9]+ ms\)$' "$log" || true)
  if [ "$status" != 0 ]; then
    [ "$bad" -gt 0 ] && [ "$status" = 1 ] || bad=$((bad + 1))
  fi
  echo "$ok $bad" >"$logs/$name.result"
  # Under a lock, so that the lines of two suites do not mix.
  flock "$logs" bash -s "$name" "$status" "$log" "$limit" <<'TEXT'
    echo "== $1"
    if [ "$2" = 0 ]; then tail -n 3 "$3"; exit; fi
    cat "$3"
    [ "$2" != 124 ] || echo "$1: stopped after $4 s"
    echo "$1: exit status $2"
TEXT
}

# JOBS SUITE...
run_suites() {
  local jobs=$1 running=0 limit
  shift
  for suite in "$@"; do
    [ -x "$suite" ] || continue
    limit=600
    case $suite in
      */real-size-*) [ "$slow" = yes ] || continue; limit=1800 ;;
    esac
    if [ "$running" -ge "$jobs" ]; then
      wait -n || true
      running=$((running - 1))
    fi
    run_suite "$suite" "$limit" &
    running=$((running + 1))
  done
  wait
}

run_check() {
  local name=$1 ok=0
  shift
  echo "== $name"
  "$@" </dev/null >"$logs/$name.log" 2>&1 && ok=1 || cat "$logs/$name.log"
  echo "$ok $((1 - ok))" >"$logs/$name.result"
}

build
[ "$build_only" = no ] || exit 0
mkdir -p "$logs"
rm -f "$logs"/*.log "$logs"/*.result
mapfile -t suites < <(printf '%s\n' build/tests/*-tests build/tests/gst/*-tests)
mapfile -t together < <(printf '%s\n' "${suites[@]}" | grep -vE "/$in_real_time\$")
mapfile -t alone < <(printf '%s\n' "${suites[@]}" | grep -E "/$in_real_time\$")
run_suites "$jobs" "${together[@]}"
run_suites 1 "${alone[@]}"
if [ "$filter" = '*' ]; then
  run_check engine-links meson test -C build --no-rebuild engine-links
  run_check gpu-summary tests/gpu/summary_test.py
  # Only setup.sh's LibTorch can be packaged.
  if [ -e build/gst/libgstlatentsync.so ] && ldd build/liblatentsync-engine.so | grep liblsync_cpu >/dev/null; then
    run_check package tests/package.sh build
  fi
fi

mapfile -t skipped < <(cat "$logs"/*.log | sed -nE 's/^\[  SKIPPED \] (.*) \([0-9]+ ms\)$/\1/p')
[ ${#skipped[@]} = 0 ] || echo "skipped: ${skipped[*]}"
read -r passed failed < <(cat "$logs"/*.result | awk '{ passed += $1; failed += $2 } END { print passed + 0, failed + 0 }')
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
