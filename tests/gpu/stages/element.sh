# shellcheck shell=bash disable=SC2154
# Part of tests/gpu/run.sh: the element with the GStreamer that tests/gpu/pack.sh --gstreamer packed.

cuda_caps='video/x-raw(memory:CUDAMemory),format=NV12'
decoded="filesrc location=examples/media/grid_s1_sbwh7s.mp4 ! qtdemux ! h264parse ! nvh264dec ! $cuda_caps"

have_gstreamer() {
  [ -d "$carry/gstreamer" ] && return
  leave_out "$stage" 'there is no GStreamer in .gpu-carry: tests/gpu/pack.sh --gstreamer'
  return 1
}

# NAME LEAST SOURCE 'NAME=VALUE ...' SINK [VARIABLE=VALUE ...]: runs SOURCE ! latentsync NAME=VALUE ... ! SINK, with the variables in
# its environment. The bus's messages are in $results/NAME.messages.
launch() {
  local gst=$carry/gstreamer name=$1 least=$2 source=$3 properties=$4 sink=$5
  shift 5
  local command=("$gst/bin/gst-launch-1.0" -m latentsync name=l)
  # The last words are one pipeline's.
  # shellcheck disable=SC2206
  command+=($properties ! $sink $source ! l.video_sink
    filesrc location=examples/media/demo1_audio.wav ! wavparse ! audioconvert ! audioresample ! l.audio_sink)
  # shellcheck disable=SC2016
  bounded "$name" "$least" env "LD_LIBRARY_PATH=$gst/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "GST_PLUGIN_SYSTEM_PATH=$gst/plugins" \
    GST_PLUGIN_PATH= "GST_PLUGIN_SCANNER=$gst/bin/gst-plugin-scanner" "GST_REGISTRY=$results/registry.bin" \
    "LATENTSYNC_ENGINE=${LATENTSYNC_ENGINE:-$build/liblatentsync-engine.so}" GST_DEBUG=2 "$@" \
    bash -c '"$@" >"$0"' "$results/$name.messages" "${command[@]}"
}

# NAME SOURCE PROPERTIES SINK: likewise, with the demo model; the pixels are in $results/NAME.i420.
pixels() {
  local name=$1 status=0
  launch "$name" 8 "$2" "model-path=models/demo audio-context=whole $3" \
    "$4 ! videoconvert ! video/x-raw,format=I420 ! filesink location=$results/$name.i420" || status=$?
  [ "$status" != 0 ] || [ -s "$results/$name.i420" ] || status=1
  [ "$status" = 0 ] || [ "$status" = 124 ] || { tail -n 5 "$out/$stage.log"; fail "$name" 'the pipeline failed'; }
  return "$status"
}

# WHAT A B: the pixels of two runs are equal; where one of them was left out nothing is said.
expect_equal() {
  [ -s "$results/$2.i420" ] && [ -s "$results/$3.i420" ] || return 0
  if cmp "$results/$2.i420" "$results/$3.i420" >>"$out/$stage.log" 2>&1; then pass "$1"; else fail "$1" "$2 and $3 have other pixels"; fi
}

# Takes all but 1 GiB of the device's memory until it is killed.
hold_memory() {
  local held=$results/memory-is-held waited
  rm -f "$held"
  "$python" -c '
import pathlib, sys, time, torch
free, _ = torch.cuda.mem_get_info()
held = torch.empty(max(free - (1 << 30), 1), dtype=torch.uint8, device="cuda")
pathlib.Path(sys.argv[1]).touch()
time.sleep(120)' "$held" </dev/null >>"$out/$stage.log" 2>&1 &
  holder=$!
  for ((waited = 0; waited < 60; ++waited)); do
    [ ! -e "$held" ] || return 0
    kill -0 "$holder" 2>/dev/null || return 1
    sleep 0.25
  done
  return 1
}

stage_element() {
  rm -f "$results"/element-*
  have_gstreamer || return 0
  if [ "$device" = cpu ]; then
    pixels element-cpu 'videotestsrc num-buffers=20 ! video/x-raw,format=NV12,width=160,height=120,framerate=25/1' device=cpu \
      video/x-raw,format=NV12 && pass 'the element runs'
    return
  fi
  local system="$decoded ! cudadownload ! video/x-raw,format=NV12" down="$cuda_caps ! cudadownload ! video/x-raw,format=NV12"
  pixels element-system "$system" device=cuda video/x-raw,format=NV12
  pixels element-device "$decoded" device=cuda "$down"
  expect_equal 'frames in CUDA memory get the pixels of frames in system memory' element-system element-device
  pixels element-untouched "$decoded" 'device=cpu silence=pass-through silence-threshold=0' "$down"
  if [ -s "$results/element-untouched.i420" ] && cmp -s "$results"/element-{untouched,device}.i420; then
    fail 'frames in CUDA memory are edited' 'no pixel was changed'
  fi
  # What was computed before, and how much memory there is, choose no other algorithms.
  if hold_memory; then
    pixels element-crowded "$system" device=cuda video/x-raw,format=NV12
  else
    leave_out element-crowded 'the memory could not be taken'
  fi
  kill "$holder" 2>/dev/null
  wait "$holder" 2>/dev/null
  expect_equal 'float16 results do not depend on the free memory' element-system element-crowded
  pixels element-float32 "$system" 'device=cuda precision=float32' video/x-raw,format=NV12 && pass 'float32 runs'
}
