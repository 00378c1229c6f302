# shellcheck shell=bash disable=SC2154
# Part of tests/gpu/run.sh: times and memory of each stage of a window of the published size, and of ours beside ATen's kernels.

# NAME LEAST ARGUMENT ...: the figures in $results/bench-NAME.json
bench() {
  local name=bench-$1 least=$2 status=0
  shift 2
  # shellcheck disable=SC2016
  bounded "$name" "$least" bash -c '"$@" >"$0"' "$results/$name.json" "$build/tests/latentsync-bench" --device "$device" "$@" || status=$?
  case $status in
    0) pass "$name" ;;
    124) rm -f "$results/$name.json" ;;
    *) tail -n 5 "$out/$stage.log"; fail "$name" ;;
  esac
}

stage_bench() {
  rm -f "$results"/bench-*
  if [ "$device" = cpu ]; then
    bench demo 5 --size demo --frames 2 --edge 128 --repeat 1 --seconds 5 --stage 'matmul|whisper|taesd_.*|unet.*|window.*|temporal.*|group.*'
    return
  fi
  local real=(--size real --frames 16 --repeat 5 --seconds 4) edge precision
  bench kernels-512 4 "${real[@]}" --dtype float16 --stage 'matmul|temporal.*|group.*' --edge 512
  for edge in 512 256; do
    bench "window-$edge" 10 "${real[@]}" --dtype float16 --stage 'vae_encode|vae_decode|window|window_plain' --edge "$edge"
  done
  bench moved-512 8 "${real[@]}" --dtype float16 --stage 'unet|unet_streamed|vae_decode_tiles' --edge 512
  bench demo 8 --size demo --dtype float16 --seconds 2
  for edge in 512 256 128; do
    for precision in float16 bfloat16 float32; do
      bench "$edge-$precision" 15 "${real[@]}" --dtype "$precision" --stage 'whisper|vae_.*code|taesd_.*|unet|unet_cached' --edge "$edge"
    done
  done
}
