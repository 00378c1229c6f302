# shellcheck shell=bash disable=SC2154
# Part of tests/gpu/run.sh: the element with networks of the published size: planned and used memory, budgets that are kept, the time of
# whole windows. The weights are all zero, which changes neither.

# NAME LEAST FRAMES RESOLUTION BUDGET [PROPERTY=VALUE ...]: summary.py compares the plan with the peak.
planned() {
  local name=plan-$1 status=0
  launch "$name" "$2" "$decoded ! identity eos-after=$(($3 + 1))" \
    "device=cuda model-path=$results/published audio-context=whole resolution=$4 vram-budget=$5 ${*:6}" 'fakesink sync=false' || status=$?
  case $status in
    124) return ;;
    0) pass "$name" ;;
    # A plan that does not fit ends in an error that says so.
    *) if grep -q 'latentsync-plan.*fits=(boolean)false' "$results/$name.messages"; then pass "$name" 'refused, as planned'
       else tail -n 5 "$out/$stage.log"; fail "$name" 'the pipeline failed'; fi ;;
  esac
}

stage_plan() {
  rm -f "$results"/plan-*
  have_gstreamer || return 0
  "$python" tests/support/published_sizes.py "$results/published" || { fail 'the model without weights'; return; }
  if [ "$device" = cpu ]; then
    launch plan-cpu 5 'videotestsrc num-buffers=4 ! video/x-raw,format=NV12,width=160,height=120,framerate=25/1' \
      'device=cpu model-path=models/demo resolution=128' 'fakesink sync=false' && pass plan-cpu
    return
  fi
  planned 512-automatic 10 48 512 0
  planned 256-automatic 10 48 256 0
  planned 512-3400 9 32 512 3400
  planned 512-3150 9 32 512 3150
  planned 1024-6144 12 32 1024 6144
  planned 512-2048 5 32 512 2048
  local ahead
  for ahead in 0 1 0 1; do
    launch "ahead-$ahead-$((SECONDS - started))" 12 "$decoded ! cudadownload" \
      "device=cuda model-path=$results/published audio-context=whole resolution=512" 'fakesink sync=false' "LATENTSYNC_PREPARE_AHEAD=$ahead"
  done
  planned 256-6144 9 32 256 6144
  planned 1024-automatic 12 32 1024 0
}
