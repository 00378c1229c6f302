#!/bin/sh
# Proves that the engine library needs LibTorch's CUDA part where the build has it (the linker drops what nothing calls
# by symbol), needs neither Python nor GLib, has parallel loops, and that the loader finds all it needs.
#
#     engine_links_test.sh ENGINE cuda|cpu
engine=$1
part=$2
needed=$(readelf -d "$engine" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')

fail() {
  echo "$engine: $1" >&2
  exit 1
}

case $part in
  cuda) echo "$needed" | grep -qx 'libtorch_cuda\.so' || fail 'libtorch_cuda.so is not needed' ;;
  cpu) echo "$needed" | grep -q 'cuda' && fail 'a CUDA library is needed' ;;
esac
echo "$needed" | grep -qE 'libtorch_cpu\.so' || fail 'libtorch_cpu.so is not needed'
echo "$needed" | grep -qE 'python|glib|gobject|libgst' && fail 'Python, GLib or GStreamer is needed'
# Without OpenMP at::parallel_for is a plain loop; with two of its libraries there are two sets of threads.
readelf -Ws "$engine" | grep -q ' UND GOMP_parallel' || fail 'its loops have one thread: it is compiled without OpenMP'
[ "$(ldd "$engine" | grep -c 'gomp\|libomp\|libiomp')" = 1 ] || fail "not one OpenMP library: $(ldd "$engine" | grep 'omp')"
lost=$(ldd "$engine" | grep 'not found') && fail "not found: $lost"
exit 0
