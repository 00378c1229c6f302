#!/bin/sh
# Builds the fuzz targets with clang++ in build-fuzz and runs each for SECONDS (60 by default), on the seeds that
# make_seeds writes. Exit status 0: no finding. Findings and the grown corpus stay in build-fuzz.
# usage: tests/fuzz/run.sh [SECONDS] [meson options, e.g. -Dlibtorch=PATH]
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
seconds=${1:-60}
[ $# -eq 0 ] || shift
cd "$root"
if [ ! -f build-fuzz/build.ninja ]; then
  CXX=${CXX:-clang++} meson setup build-fuzz -Dfuzz=true -Dcuda=disabled -Dplugin=disabled -Db_lundef=false "$@"
fi
targets="safetensors torch_zip pickle"
ninja -C build-fuzz tests/fuzz/make_seeds $(for t in $targets; do echo "tests/fuzz/fuzz_$t"; done)
build-fuzz/tests/fuzz/make_seeds build-fuzz/corpus "${LATENTSYNC_GOLDEN_DIR:-tests/data/golden}/containers"
for target in $targets; do
  echo "== $target, $seconds s"
  mkdir -p "build-fuzz/findings"
  build-fuzz/tests/fuzz/fuzz_$target -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -verbosity=0 -artifact_prefix="build-fuzz/findings/$target-" "build-fuzz/corpus/$target"
done
echo "no findings"
