#!/bin/sh
# Proves that the engine library needs LibTorch's CUDA part where the build has it (the linker drops what nothing calls
# by symbol), needs neither Python nor GLib, has parallel loops, that the loader finds all it needs, and that a LibTorch
# with names of its own (meson/own_libraries.py) has no symbol that the process's other libraries would share.
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
  cuda) echo "$needed" | grep -qxE 'lib(lsync|torch)_cuda\.so' || fail 'libtorch_cuda.so is not needed' ;;
  cpu) echo "$needed" | grep -q 'cuda' && fail 'a CUDA library is needed' ;;
esac
echo "$needed" | grep -qxE 'lib(lsync|torch)_cpu\.so' || fail 'libtorch_cpu.so is not needed'
echo "$needed" | grep -qE 'python|glib|gobject|libgst' && fail 'Python, GLib or GStreamer is needed'
# Without OpenMP at::parallel_for is a plain loop; with two of its libraries there are two sets of threads.
readelf -Ws "$engine" | grep -q ' UND GOMP_parallel' || fail 'its loops have one thread: it is compiled without OpenMP'
[ "$(ldd "$engine" | grep -c 'gomp\|libomp\|libiomp')" = 1 ] || fail "not one OpenMP library: $(ldd "$engine" | grep 'omp')"
for library in $(ldd "$engine" | sed -n 's|.* => \(/.*/lib\(lsync\|l10\)[^ ]*\) .*|\1|p'); do
  ! readelf --dyn-syms -W "$library" | grep -q ' UNIQUE ' || fail "$library has unique symbols"
  ! readelf -d "$library" | grep -qE 'lib(torch|c10|caffe2)' || fail "$library needs a library of another LibTorch"
done
! readelf --dyn-syms -W "$engine" | grep -E ' UNIQUE .* _Z(GV)?Z?NK?(3c10|2at|5torch)' || fail 'it shares these symbols with every LibTorch'
lost=$(ldd "$engine" | grep 'not found') && fail "not found: $lost"
exit 0
