#!/usr/bin/env bash
# Builds the tests with AddressSanitizer and UndefinedBehaviorSanitizer in build-asan/ and runs the suites of the element
# and the unit tests. Exit status 0: no finding and no failing test.
# usage: tests/sanitize.sh [--gst-only] [--filter PATTERN] [meson options, e.g. -Dlibtorch=PATH]
set -euo pipefail
cd "$(dirname "$0")/.."

gst_only=no
filter='*'
while [ $# -gt 0 ]; do
  case $1 in
    --gst-only) gst_only=yes ;;
    --filter) filter=${2:?--filter needs a pattern}; shift ;;
    -h | --help) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
    *) break ;;
  esac
  shift
done

build=build-asan
if [ ! -f $build/build.ninja ]; then
  rm -rf $build
  # The plugin is opened by a program that may have no sanitizer of its own: undefined symbols are right.
  meson setup $build --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false -Dcuda=disabled \
    -Dtests=enabled "$@"
fi

mapfile -t targets < <(ninja -C $build -t targets all | sed -n 's/^\(tests\/gst\/gst-[a-z_-]*-tests\): .*/\1/p')
[ "$gst_only" = yes ] || targets+=(tests/unit-tests tests/lipsync-tests tests/train-tests)
ninja -C $build gst/libgstlatentsync.so "${targets[@]}"

logs=$build/logs
mkdir -p "$logs"

# What is left out belongs to others (weak references in the tests see to GObjects besides):
# - libraries of other plugins, which are opened when GStreamer builds its registry: fonts, and drivers of cameras;
# - GLib's type system and quarks, GStreamer's registry and task pools live as long as the process;
# - constructors of libraries keep what they allocate (_dl_init; GLib's first 16 KiB of quarks);
# - LibTorch registers operators and keeps its threads' state for the life of the process.
cat >"$logs/leaks.supp" <<'TEXT'
leak:libfontconfig.so
leak:OpenNI2
leak:g_type_register
leak:g_type_class_ref
leak:g_quark_
leak:g_intern_
leak:_dl_init
leak:gst_init
leak:gst_registry_
leak:gst_task_pool_
leak:libtorch_cpu.so
leak:liblsync_cpu.so
leak:libgomp.so
TEXT

# LibTorch's own arithmetic is not built with sanitizers, but its headers are inlined into our objects.
cat >"$logs/undefined.supp" <<'TEXT'
alignment:c10/
vptr:c10::
vptr:at::
vptr:torch::
TEXT

# Slow unwinding sees through GLib, which has no frame pointers: suppressions find their functions.
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:fast_unwind_on_malloc=0
export LSAN_OPTIONS=suppressions=$PWD/$logs/leaks.supp:print_suppressions=0
export UBSAN_OPTIONS=suppressions=$PWD/$logs/undefined.supp:print_stacktrace=1:halt_on_error=1
# Instrumented code is slower. Left out below: Memory.*, Outage.*TakesNoMemory and PrepareForInference.HoldsNoNetworkTwice, where
# what a sanitizer keeps back looks like growth, RealEngine.* and OtherTorch.*, whose engine is not built
# here with --gst-only and opens LibTorch, and Apps.*, whose Python and GTK leak.
export LATENTSYNC_TEST_TIME_FACTOR=6
export OMP_WAIT_POLICY=passive
export G_SLICE=always-malloc
# GStreamer's own scanner could not open an instrumented plugin, and would put it on a black list.
export GST_REGISTRY_FORK=no
# Children of the tests (gst-launch-1.0) have no sanitizer of their own but open libraries that need one.
runtime=$(${CXX:-c++} -print-file-name=libasan.so):$(${CXX:-c++} -print-file-name=libubsan.so)
export LATENTSYNC_CHILD_PRELOAD=$runtime

failed=0
for target in "${targets[@]}"; do
  name=$(basename "$target")
  log=$logs/$name.log
  status=0
  timeout --kill-after=10 1500 "$build/$target" "--gtest_filter=$filter-Memory.*:Outage.*TakesNoMemory:PrepareForInference.HoldsNoNetworkTwice:RealEngine.*:OtherTorch.*:Apps.*" </dev/null >"$log" 2>&1 || status=$?
  findings=$(grep -cE 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$log" || true)
  echo "$name: exit status $status, $findings findings, $(grep -c '\[       OK \]' "$log" || true) passed"
  if [ "$status" != 0 ] || [ "$findings" != 0 ]; then
    failed=$((failed + 1))
    grep -E -A25 'ERROR: (Address|Leak)Sanitizer|runtime error:|^\[  FAILED  \]|HANG' "$log" | head -120
  fi
done
[ "$failed" = 0 ] && echo "no findings"
