# shellcheck shell=bash disable=SC2154
# Part of tests/gpu/run.sh: ours beside PyTorch eager with diffusers, in turns.

# LEAST STAGE EDGE DTYPE ROUNDS [ARGUMENT ...]
peer() {
  local least=$1 name=peer-$2-$3-$4 status=0
  bounded "$name" "$least" env "PYTHONPATH=$build/site${PYTHONPATH:+:$PYTHONPATH}" "$python" tests/bench/compare_peer.py \
    --bench "$build/tests/latentsync-bench" --device "$device" --json "$results/$name.json" --stages "$2" --edge "$3" --dtype "$4" \
    --rounds "$5" "${@:6}" || status=$?
  case $status in
    0) pass "$name" ;;
    124) ;;
    *) tail -n 8 "$out/$stage.log"; fail "$name" ;;
  esac
}

stage_peer() {
  rm -f "$results"/peer-*
  if [ -d "$carry/wheels" ] && [ ! -d "$build/site/diffusers" ]; then
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --upgrade --target "$build/site" \
      "$carry"/wheels/*.whl </dev/null >>"$out/peer.log" 2>&1 || { fail "the peer's wheels"; return; }
  fi
  if [ "$device" = cpu ]; then
    peer 5 vae_encode 64 float32 1 --frames 1
    return
  fi
  local part edge precision
  for edge in 512 256; do peer 15 window_plain "$edge" float16 3 --frames 16; done
  for part in vae_decode vae_encode; do peer 12 "$part" 512 float16 5 --frames 16; done
  for precision in float16 bfloat16 float32; do peer 12 unet 256 "$precision" 7 --frames 4; done
}
