# shellcheck shell=bash disable=SC2154
# Part of tests/gpu/run.sh: which kernels a window's time is spent in, and how often the host waits for the device.

# STAGES EDGE: Kineto's figures by kernel, in $results/profile-*.json
profile() {
  local name=profile-${1//[^[:alnum:]_]/-}-$2 status=0
  # shellcheck disable=SC2016
  bounded "$name" 6 bash -c '"$@" >"$0"' "$results/$name.json" "$build/tests/latentsync-bench" --device "$device" --profile \
    --stage "$1" --edge "$2" --repeat 1 "${@:3}" || status=$?
  case $status in
    0) pass "$name" ;;
    124) rm -f "$results/$name.json" ;;
    *) tail -n 5 "$out/$stage.log"; fail "$name" ;;
  esac
}

# NAME FRAMES: the calls of the CUDA runtime that a pipeline of so many frames makes, in $results/NAME.calls
count_calls() {
  launch "$1" 8 "$decoded ! cudadownload ! identity eos-after=$(($2 + 1))" \
    'device=cuda model-path=models/demo audio-context=whole' 'fakesink sync=false' \
    "LD_PRELOAD=$build/tests/libcount-calls.so" "LATENTSYNC_CALLS=$results/$1.calls"
}

stage_profile() {
  rm -f "$results"/profile-* "$results"/calls-*
  if [ "$device" = cpu ]; then
    profile 'unet|window' 128 --size demo --frames 2
    return
  fi
  profile 'vae_encode|vae_decode|window' 512 --size real --frames 16 --dtype float16
  if ! have_gstreamer; then return; fi
  # Two windows more in the second: their calls are the difference.
  count_calls calls-32 32 && count_calls calls-64 64 && pass 'host waits of a window'
  profile window 256 --size real --frames 16 --dtype float16
}
