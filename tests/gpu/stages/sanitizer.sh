# shellcheck shell=bash disable=SC2154
# Part of tests/gpu/run.sh: the kernels and the executor under compute-sanitizer, each access checked.

stage_sanitizer() {
  [ "$device" = cuda ] || { say "compute-sanitizer needs a GPU: left out"; return; }
  local sanitizer
  sanitizer=$(PATH=$PATH:/usr/local/cuda/bin command -v compute-sanitizer) ||
    { leave_out compute-sanitizer 'it is not on this machine'; return; }
  local suite filter status
  for suite in device-tests:'*' kernel-tests:'*WarpCrop*:*PasteBack*:*ImageView*:*GroupNorm*:*TemporalAttention*'; do
    filter=${suite#*:} suite=${suite%%:*} status=0
    bounded "sanitizer-$suite" 10 env LATENTSYNC_TEST_DEVICE=cuda "$sanitizer" --tool memcheck --error-exitcode 9 "$build/tests/$suite" \
      --gtest_brief=1 "--gtest_filter=$filter" || status=$?
    case $status in
      0) pass "sanitizer-$suite" ;;
      124) ;;
      *) tail -n 10 "$out/$stage.log"; fail "sanitizer-$suite" ;;
    esac
  done
}
