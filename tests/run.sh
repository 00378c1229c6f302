#!/usr/bin/env bash
# Sets up, builds and runs all tests; finished steps are not repeated. The last line is "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
usage: tests/run.sh [--slow] [--no-setup] [--build-only] [--filter PATTERN] [--help]

  --slow            also the real-size suites: takes minutes, and 8 GB of memory
  --no-setup        do not run ./setup.sh first (build/ is configured, or the compiler finds LibTorch)
  --build-only      set up and build, run no tests
  --filter PATTERN  a GoogleTest filter for every suite, e.g. 'Safetensors.*'

$LATENTSYNC_GOLDEN_DIR: golden data to use instead of tests/data/golden.
$LATENTSYNC_TEST_DEVICE, $LATENTSYNC_TEST_PRECISION: cpu, cuda, cuda:N; float32, bfloat16, float16.
TEXT
}

slow=no
setup=yes
build_only=no
filter='*'
while [ $# -gt 0 ]; do
  case $1 in
    --slow) slow=yes ;;
    --no-setup) setup=no ;;
    --build-only) build_only=yes ;;
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

passed=0
failed=0
skipped=()
logs=build/tests/logs

# One GoogleTest executable. A crash, a time-out or a suite that ends early counts as a failure.
run_suite() {
  local suite=$1 name=${1##*/} limit=$2 status=0 ok bad
  local log=$logs/$name.log
  echo "== $name"
  timeout --kill-after=10 "$limit" "$suite" "--gtest_filter=$filter" </dev/null >"$log" 2>&1 || status=$?
  ok=$(grep -c '\[       OK \]' "$log" || true)
  bad=$(grep -cE '\[  FAILED  \] .*\([0-9]+ ms\)$' "$log" || true)
  if [ "$status" = 0 ]; then
    tail -n 3 "$log"
  else
    cat "$log"
    [ "$status" != 124 ] || echo "$name: stopped after $limit s"
    [ "$bad" -gt 0 ] && [ "$status" = 1 ] || bad=$((bad + 1))
    echo "$name: exit status $status"
  fi
  passed=$((passed + ok))
  failed=$((failed + bad))
  local skips
  mapfile -t skips < <(sed -nE 's/^\[  SKIPPED \] (.*) \([0-9]+ ms\)$/\1/p' "$log")
  skipped+=("${skips[@]}")
}

run_check() {
  local name=$1
  shift
  echo "== $name"
  if "$@" </dev/null >"$logs/$name.log" 2>&1; then
    passed=$((passed + 1))
  else
    cat "$logs/$name.log"
    failed=$((failed + 1))
  fi
}

build
[ "$build_only" = no ] || exit 0
mkdir -p "$logs"
for suite in build/tests/*-tests build/tests/gst/*-tests; do
  [ -x "$suite" ] || continue
  name=$(basename "$suite")
  case $name in
    real-size-*) [ "$slow" = no ] || run_suite "$suite" 1800 ;;
    *) run_suite "$suite" 600 ;;
  esac
done
if [ "$filter" = '*' ]; then
  run_check engine-links meson test -C build --no-rebuild engine-links
  run_check gpu-summary tests/gpu/summary_test.py
  # Only setup.sh's LibTorch can be packaged.
  if [ -e build/gst/libgstlatentsync.so ] && ldd build/liblatentsync-engine.so | grep liblsync_cpu >/dev/null; then
    run_check package tests/package.sh build
  fi
fi

[ ${#skipped[@]} = 0 ] || echo "skipped: ${skipped[*]}"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
