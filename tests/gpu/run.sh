#!/usr/bin/env bash
# Everything that needs a GPU, in one command: builds kernels/, core/ and the tests of this tree, runs the golden and
# kernel tests on CUDA in three precisions, the benchmark and the comparison with the eager peer.
#
#     tests/gpu/run.sh [STAGE ...]        stages: build goldens element sanitizer bench peer (all of them)
#
# Needs g++, nvcc 13.0, ninja, meson, and a Python with torch 2.11.0+cu130 ($PYTHON, else python3); no
# GStreamer and no network. Other dependencies are in .gpu-carry: run tests/gpu/pack.sh first, on another machine.
#
# Writes summary.md, summary.json and a log of each stage to $LATENTSYNC_OUT, or to gpu-out/. If commands have a time
# limit, run the stages one by one: build-gpu/ of one run is used by the next. Without a GPU the script builds, runs what a
# CPU can, says so, and exits with status 77.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

python=${PYTHON:-python3}
out=${LATENTSYNC_OUT:-$PWD/gpu-out}
build=./build-gpu
carry=$PWD/.gpu-carry
stages=${*:-build goldens element sanitizer bench peer}
failures=0
mkdir -p "$out"

export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
# float32 means float32: no TensorFloat-32 in any library.
export NVIDIA_TF32_OVERRIDE=0

say() { printf 'gpu: %s\n' "$*"; }
fail() { say "FAILED: $*"; failures=$((failures + 1)); }
die() { say "$*"; exit 1; }

device=cpu
if nvidia-smi -L 2>/dev/null | grep -q '^GPU' || [ -e /dev/nvidia0 ]; then device=cuda; fi
[ "$device" = cuda ] || say "no GPU found: this run only checks the build and the scripts"

# --- what the build needs ------------------------------------------------------------------------------------------

torch_root=$("$python" -c 'import importlib.util as u, os; print(os.path.dirname(u.find_spec("torch").origin))' 2>/dev/null) ||
  die "$python has no torch: set PYTHON to a Python with torch 2.11.0"

# meson and ninja may lie beside that Python alone.
PATH=$PATH:$("$python" -c 'import sysconfig; print(sysconfig.get_path("scripts"))')

# GoogleTest, nlohmann-json and xxHash from .gpu-carry, for compilers that find none of their own.
use_carried() {
  [ -d "$carry" ] || return 0
  export CPLUS_INCLUDE_PATH=$carry/include:$carry/googletest/googletest/include:$carry/googletest/googlemock/include
  export LIBRARY_PATH=$carry/lib${LIBRARY_PATH:+:$LIBRARY_PATH}
  # The compiler finds them; no other release that pkg-config may know is to come in between.
  export PKG_CONFIG_LIBDIR=/nonexistent
  local name folder
  for name in googletest:gtest googlemock:gmock; do
    folder=$carry/googletest/${name%:*} name=${name#*:}
    [ -f "$carry/lib/lib$name.a" ] && continue
    mkdir -p "$carry/lib"
    c++ -std=c++20 -O2 -fPIC -I"$folder" -c "$folder/src/$name-all.cc" -o "$carry/lib/$name.o" &&
      ar rcs "$carry/lib/lib$name.a" "$carry/lib/$name.o" || return 1
  done
}

stage_build() {
  use_carried || { fail "GoogleTest of .gpu-carry"; return; }
  local cuda=enabled
  command -v nvcc >/dev/null || [ ! -x /usr/local/cuda/bin/nvcc ] || PATH=/usr/local/cuda/bin:$PATH
  command -v nvcc >/dev/null || { say "nvcc was not found: building without this project's CUDA kernels"; cuda=auto; }
  if [ ! -f "$build/build.ninja" ]; then
    rm -rf "$build"
    meson setup "$build" \
      "-Dlibtorch=$torch_root" "-Dcuda=$cuda" -Dplugin=disabled -Dtests=enabled || { fail "meson setup"; return; }
  fi
  ninja -C "$build" || fail "the build"
}

# --- tests ---------------------------------------------------------------------------------------------------------

# suite, device, precision
run_suite() {
  local name=$1-$2-$3
  [ -x "$build/tests/$1" ] || return 0
  say "$name"
  : >"$build/results/$name.json"  # a suite that crashes writes none
  LATENTSYNC_TEST_DEVICE=$2 LATENTSYNC_TEST_PRECISION=$3 timeout 300 "$build/tests/$1" --gtest_brief=1 \
    "--gtest_output=json:$build/results/$name.json" </dev/null >"$build/results/$name.log" 2>&1 || {
    tail -n 20 "$build/results/$name.log"
    fail "$name"
  }
  cat "$build/results/$name.log" >>"$out/goldens.log"
}

stage_goldens() {
  : >"$out/goldens.log"
  rm -f "$build"/results/*-tests-*
  local precision
  if [ "$device" = cpu ]; then
    run_suite unit-tests cpu float32
    run_suite lipsync-tests cpu float32
    run_suite train-tests cpu float32
    run_suite device-tests cpu float32
    run_suite kernel-tests cpu float32
    run_suite golden-tests cpu float32
    return
  fi
  for precision in float32 float16 bfloat16; do
    run_suite kernel-tests cuda "$precision"
    run_suite golden-tests cuda "$precision"
  done
  run_suite device-tests cuda float32
  run_suite unit-tests cuda float32
  run_suite lipsync-tests cuda float32
  run_suite train-tests cuda float32
  run_suite real-size-tests cuda float32
}

# --- the element -----------------------------------------------------------------------------------------------------

# A pipeline with the carried GStreamer: `SOURCE ! latentsync PROPERTIES ! SINK FILE`.
render() {
  local gst=$carry/gstreamer name=$1 source=$2 properties=$3 sink=$4
  say "element-$name"
  # The last words are one pipeline's.
  # shellcheck disable=SC2086
  LD_LIBRARY_PATH=$gst/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} GST_PLUGIN_SYSTEM_PATH=$gst/plugins GST_PLUGIN_PATH='' \
    GST_PLUGIN_SCANNER=$gst/bin/gst-plugin-scanner GST_REGISTRY=$build/results/registry.bin \
    LATENTSYNC_ENGINE=${LATENTSYNC_ENGINE:-$build/liblatentsync-engine.so} GST_DEBUG=2 timeout 120 "$gst/bin/gst-launch-1.0" \
    latentsync name=l model-path=models/demo audio-context=whole $properties ! $sink ! videoconvert ! video/x-raw,format=I420 ! \
    filesink "location=$build/results/element-$name.i420" $source ! l.video_sink \
    filesrc location=examples/media/demo1_audio.wav ! wavparse ! audioconvert ! audioresample ! l.audio_sink \
    >>"$out/element.log" 2>&1 || fail "element-$name"
}

# Frames in system memory and frames that stay on the GPU give the same pixels.
stage_element() {
  : >"$out/element.log"
  rm -f "$build"/results/element-*
  [ -d "$carry/gstreamer" ] || { say "no GStreamer in .gpu-carry (tests/gpu/pack.sh --gstreamer): the element is left out"; return; }
  if [ "$device" = cpu ]; then
    render cpu 'videotestsrc num-buffers=20 ! video/x-raw,format=NV12,width=160,height=120,framerate=25/1' \
      device=cpu video/x-raw,format=NV12
    [ -s "$build/results/element-cpu.i420" ] || fail "element-cpu: no frames"
    return
  fi
  local cuda='video/x-raw(memory:CUDAMemory),format=NV12'
  local decoded="filesrc location=examples/media/grid_s1_sbwh7s.mp4 ! qtdemux ! h264parse ! nvh264dec ! $cuda"
  render system "$decoded ! cudadownload ! video/x-raw,format=NV12" device=cuda video/x-raw,format=NV12
  render device "$decoded" device=cuda "$cuda ! cudadownload ! video/x-raw,format=NV12"
  render untouched "$decoded" 'device=cpu silence=pass-through silence-threshold=0' "$cuda ! cudadownload ! video/x-raw,format=NV12"
  [ -s "$build/results/element-system.i420" ] || fail "element-system: no frames"
  cmp "$build"/results/element-{system,device}.i420 || fail "frames in CUDA memory have other pixels than in system memory"
  ! cmp -s "$build"/results/element-{untouched,device}.i420 || fail "no frame in CUDA memory was edited"
}

# The kernels and the executor, each access checked.
stage_sanitizer() {
  : >"$out/sanitizer.log"
  [ "$device" = cuda ] || { say "compute-sanitizer needs a GPU: left out"; return; }
  local sanitizer
  sanitizer=$(PATH=$PATH:/usr/local/cuda/bin command -v compute-sanitizer) || { fail "compute-sanitizer was not found"; return; }
  local suite filter
  for suite in kernel-tests:'*WarpCrop*:*PasteBack*:*GroupNorm*' device-tests:'*'; do
    filter=${suite#*:} suite=${suite%%:*}
    say "sanitizer-$suite"
    LATENTSYNC_TEST_DEVICE=cuda timeout 150 "$sanitizer" --tool memcheck --error-exitcode 9 "$build/tests/$suite" \
      --gtest_brief=1 "--gtest_filter=$filter" >>"$out/sanitizer.log" 2>&1 || fail "sanitizer-$suite"
  done
}

# --- figures -------------------------------------------------------------------------------------------------------

bench() {
  local name
  name=bench-$(printf '%s-' "$@" | tr -d ' ' | sed 's/--//g; s/-$//')
  say "$name"
  "$build/tests/latentsync-bench" --device "$device" "$@" >"$build/results/$name.json" 2>>"$out/bench.log" || fail "$name"
}

stage_bench() {
  : >"$out/bench.log"
  rm -f "$build"/results/bench-*
  local precision
  if [ "$device" = cpu ]; then
    bench --size demo --frames 4 --repeat 2 --seconds 5
    return
  fi
  for precision in float16 bfloat16 float32; do
    bench --size demo --dtype "$precision" --seconds 10
    bench --size real --dtype "$precision" --seconds 15 --frames 16
    bench --size real --dtype "$precision" --seconds 15 --frames 16 --edge 512
  done
}

peer() {
  local name=peer-$1
  shift
  say "$name"
  PYTHONPATH=$build/site${PYTHONPATH:+:$PYTHONPATH} "$python" tests/bench/compare_peer.py \
    --bench "$build/tests/latentsync-bench" --device "$device" --json "$build/results/$name.json" "$@" 2>&1 |
    tee -a "$out/peer.log" | tail -n 8 || fail "$name"
}

stage_peer() {
  : >"$out/peer.log"
  rm -f "$build"/results/peer-*
  if [ -d "$carry/wheels" ] && [ ! -d "$build/site/diffusers" ]; then
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --upgrade --target "$build/site" \
      "$carry"/wheels/*.whl </dev/null 2>>"$out/peer.log" || { fail "the peer's wheels"; return; }
  fi
  if [ "$device" = cpu ]; then
    peer cpu --stages vae_encode --rounds 1 --edge 64 --frames 1
    return
  fi
  local precision
  for precision in float16 bfloat16 float32; do
    peer "$precision" --dtype "$precision" --rounds 7
    peer "$precision-window" --dtype "$precision" --rounds 5 --frames 16 --stages unet
  done
}

mkdir -p "$build/results" 2>/dev/null
for stage in $stages; do
  case $stage in
    build | goldens | element | sanitizer | bench | peer)
      say "== $stage"
      started=$SECONDS
      "stage_$stage"
      mkdir -p "$build/results"
      summary=$("$python" tests/gpu/summary.py "$build/results" "$out" "$device")  # what a later time-out leaves
      say "$stage took $((SECONDS - started)) s"
      ;;
    *) die "no such stage: $stage (build goldens element sanitizer bench peer)" ;;
  esac
done

printf '%s\n' "${summary:-}"
if [ "$failures" != 0 ]; then
  say "$failures failed, see $out"
  exit 1
fi
if [ "$device" = cpu ]; then
  say "no GPU found: nothing was run on CUDA; the requested tests that need no GPU passed"
  exit 77
fi
say "all passed; $out/summary.md has the table"
