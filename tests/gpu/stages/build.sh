# shellcheck shell=bash disable=SC2154
# Part of tests/gpu/run.sh: kernels/, core/ and the tests of this tree in build-gpu/, compiled here or carried.

# GoogleTest, nlohmann-json, xxHash and libpng from .gpu-carry, for compilers that find none of their own.
use_carried_dependencies() {
  [ -d "$carry/include" ] || return 0
  export CPLUS_INCLUDE_PATH=$carry/include:$carry/googletest/googletest/include:$carry/googletest/googlemock/include
  export LIBRARY_PATH=$carry/lib${LIBRARY_PATH:+:$LIBRARY_PATH}
  # The compiler finds them; no other release that pkg-config may know is to come in between.
  export PKG_CONFIG_LIBDIR=/nonexistent
  local name folder
  for name in googletest:gtest googlemock:gmock; do
    folder=$carry/googletest/${name%:*} name=${name#*:}
    [ -f "$carry/lib/lib$name.a" ] && continue
    mkdir -p "$carry/lib"
    c++ -std=c++20 -O2 -fPIC -I"$folder" -c "$folder/src/$name-all.cc" -o "$carry/lib/$name.o" &&
      ar rcs "$carry/lib/lib$name.a" "$carry/lib/$name.o" || return 1
  done
}

# Binaries of another machine. LibTorch's libraries have other names there than in this Python's torch (meson/own_libraries.py): links
# have those names, and lead to torch's.
unpack_binaries() {
  local name links=$build/torch
  rm -rf "$build/tests" "$links"
  mkdir -p "$links"
  cp -r "$carry"/binaries/* "$build/"
  for name in c10:l10 c10_cuda:l10_cuda torch_cpu:lsync_cpu torch_cuda:lsync_cuda; do
    [ ! -e "$torch_root/lib/lib${name%:*}.so" ] || ln -s "$torch_root/lib/lib${name%:*}.so" "$links/lib${name#*:}.so"
  done
}

# Carried binaries find torch, and the tree's data, by the environment.
use_unpacked_binaries() {
  [ -d "$build/torch" ] || return 0
  local nvidia
  nvidia=$(printf '%s:' "$torch_root"/../nvidia/*/lib)
  export LD_LIBRARY_PATH=$build:$build/torch:$torch_root/lib:$nvidia${LD_LIBRARY_PATH:-}
  export LATENTSYNC_GOLDEN_DIR=$PWD/tests/data/golden LATENTSYNC_MEDIA_DIR=$PWD/tests/data/media LATENTSYNC_MODELS_DIR=$PWD/models
}

programs='tests/latentsync-bench tests/kernel-tests tests/golden-tests tests/device-tests tests/unit-tests tests/lipsync-tests
  tests/train-tests tests/real-size-tests tests/libcount-calls.so'

compile() {
  use_carried_dependencies || { fail "GoogleTest of .gpu-carry"; return; }
  local cuda=enabled
  command -v nvcc >/dev/null || [ ! -x /usr/local/cuda/bin/nvcc ] || PATH=/usr/local/cuda/bin:$PATH
  command -v nvcc >/dev/null || { say "nvcc was not found: building without this project's CUDA kernels"; cuda=auto; }
  if [ ! -f "$build/build.ninja" ]; then
    rm -rf "$build/torch"
    meson setup "$build" "-Dlibtorch=$torch_root" "-Dcuda=$cuda" -Dplugin=disabled -Dtests=enabled >>"$out/build.log" 2>&1 ||
      { tail -n 20 "$out/build.log"; fail "meson setup"; return; }
  fi
  # shellcheck disable=SC2086
  bounded compile 5 ninja -C "$build" $programs
  case $? in
    0) pass "the build against $torch_root" "$(grep -c 'warning:' "$out/build.log") warnings" ;;
    124) ;;
    *) tail -n 20 "$out/build.log"; fail "the build" ;;
  esac
}

stage_build() {
  if [ ! -d "$carry/binaries" ]; then compile; return; fi
  unpack_binaries || { fail 'unpacking the carried binaries'; return; }
  use_unpacked_binaries
  bounded 'carried binaries' 2 "$build/tests/latentsync-bench" --list ||
    { tail -n 5 "$out/build.log"; fail 'the carried binaries do not start'; return; }
  pass 'the carried binaries start'
}
