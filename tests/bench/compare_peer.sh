#!/usr/bin/env bash
# Ours beside PyTorch eager with diffusers, at the sizes of the published checkpoints, in turns in one run.
# The last line is "ratio R": the peer's time over ours for one evaluation of the real-size UNet.
#
#     tests/bench/compare_peer.sh [--quick] [--rounds N] [--dtype TYPE] [--device DEVICE] [--help] ...
#
# The peer goes to deps/peer ($LATENTSYNC_DEPS/peer): 1.3 GB, and 1.3 GB more where LibTorch here has no CUDA part.
# Needs 14 GB of memory for the UNet in float32.
set -euo pipefail
cd "$(dirname "$0")/../.."

deps=${LATENTSYNC_DEPS:-$PWD/deps}
requirements=tests/bench/peer-requirements.txt
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}

[ -x build/tests/latentsync-bench ] || tests/run.sh --build-only

# PyTorch's own libraries need the CUDA ones, also on a CPU: those of ./setup.sh, which has them pinned.
libraries=$deps/libtorch/lib
if [ ! -e "$libraries/libtorch_cuda.so" ]; then
  LATENTSYNC_DEPS=$deps/peer ./setup.sh --cuda
  libraries=$deps/peer/libtorch/lib
fi

site=$deps/peer/site
if [ "$(cat "$site/.stamp" 2>/dev/null)" != "$(sha256sum <"$requirements")" ]; then
  echo "installing the peer into $site"
  mkdir -p "$deps/peer"
  rm -rf "$site" "$site.new"
  python3 -m pip install --quiet --no-deps --no-cache-dir --only-binary=:all: --no-compile --root-user-action=ignore \
    --target "$site.new" -r "$requirements" </dev/null
  sha256sum <"$requirements" >"$site.new/.stamp"
  mv "$site.new" "$site"
fi

PYTHONNOUSERSITE=1 PYTHONPATH=$site LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
  exec python3 tests/bench/compare_peer.py "$@"
