# shellcheck shell=bash disable=SC2154
# Part of tests/gpu/run.sh: the tests of kernels, networks, executor and engine, on CUDA in three precisions.

# NAME suite device precision least [filter]
run_suite() {
  local name=$1 suite=$2 least=$5 status=0
  [ -x "$build/tests/$suite" ] || { leave_out "$name" 'it was not built'; return; }
  rm -f "$results/$name.json"
  bounded "$name" "$least" env "LATENTSYNC_TEST_DEVICE=$3" "LATENTSYNC_TEST_PRECISION=$4" "$build/tests/$suite" --gtest_brief=1 \
    "--gtest_filter=${6:-*}" "--gtest_output=json:$results/$name.json" || status=$?
  case $status in
    0) pass "$name" ;;
    124) ;;
    *) tail -n 20 "$out/goldens.log"; fail "$name" ;;
  esac
}

stage_goldens() {
  rm -f "$results"/*-tests-*
  local precision suite
  if [ "$device" = cpu ]; then
    for suite in kernel device golden unit lipsync train; do
      run_suite "$suite-tests-cpu" "$suite-tests" cpu float32 5
    done
    return
  fi
  for precision in float16 float32 bfloat16; do
    run_suite "kernel-tests-cuda-$precision" kernel-tests cuda "$precision" 5
    run_suite "golden-tests-cuda-$precision" golden-tests cuda "$precision" 5
  done
  for suite in device lipsync unit train; do
    run_suite "$suite-tests-cuda" "$suite-tests" cuda float32 5
  done
  run_suite vae-tiles-tests-cuda-float16 unit-tests cuda float16 5 '*VaeTiles*'
  run_suite real-size-tests-cuda real-size-tests cuda float32 45
}
