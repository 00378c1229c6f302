#!/usr/bin/env bash
# Collects, on a machine with downloads, what tests/gpu/run.sh needs where nothing can be downloaded: the headers of
# nlohmann-json and xxHash, GoogleTest's sources, libpng, and diffusers with what it needs beside PyTorch. All of it goes to .gpu-carry
# (5 to 7 MB), which git ignores and which has to travel with the tree.
#
#     tests/gpu/pack.sh [--gstreamer] [--binaries]
#
# --gstreamer: also this machine's GStreamer, as far as run.sh's stages "element" and "plan" need it, and the plugin of build/
# (20 MB more).
# --binaries: also the engine and the tests of build/, which run.sh then does not compile (12 MB more). The other machine needs a
# C++ library as new as this one's.
set -euo pipefail
cd "$(dirname "$0")/../.."

gstreamer=no
binaries=no
for option; do
  case $option in
    --gstreamer) gstreamer=yes ;;
    --binaries) binaries=yes ;;
    *) sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done

carry=.gpu-carry
rm -rf "$carry.new"
mkdir -p "$carry.new"/{include,lib,googletest,wheels}

if [ ! -f /usr/include/nlohmann/json.hpp ] || [ ! -d /usr/src/googletest ] || [ ! -f /usr/include/png.h ] ||
  [ ! -f /usr/include/xxhash.h ]; then ./setup.sh; fi
cp -r /usr/include/nlohmann /usr/include/xxhash.h "$carry.new/include/"
for part in googletest googlemock; do
  mkdir -p "$carry.new/googletest/$part"
  cp -r "/usr/src/googletest/$part"/{include,src} "$carry.new/googletest/$part/"
done

# Static, with zlib, so that no other release of either is in the way there.
cp -L /usr/include/{png,pngconf,pnglibconf}.h "$carry.new/include/"
multiarch=$(c++ -print-multiarch)
cp -L "/usr/lib/$multiarch/libpng.a" "/usr/lib/$multiarch/libz.a" "$carry.new/lib/"

# Only what a machine with PyTorch may lack, and only wheels of no particular Python or platform.
pure='diffusers|huggingface-hub|importlib-metadata|zipp|requests|urllib3|idna|certifi|charset-normalizer'
grep -E "^($pure)==" tests/bench/peer-requirements.txt >"$carry.new/wheels.txt"
python3 -m pip download --quiet --no-deps --only-binary=:all: --implementation py --abi none --platform any \
  --python-version 3.12 --dest "$carry.new/wheels" -r "$carry.new/wheels.txt" </dev/null

# Programs, plugins and all libraries but those that every machine has of its own: glibc's, the compiler's, the driver's.
pack_gstreamer() {
  local to=$1 from=/usr/lib/$multiarch name library path
  [ -f build/gst/libgstlatentsync.so ] || { echo "build/gst/libgstlatentsync.so is missing: build first" >&2; exit 1; }
  mkdir -p "$to"/{bin,lib,plugins}
  cp /usr/bin/gst-launch-1.0 "$to/bin/"
  cp "$from/gstreamer1.0/gstreamer-1.0/gst-plugin-scanner" "$to/bin/"
  for name in app audioconvert audioresample audiotestsrc coreelements isomp4 nvcodec typefindfunctions videoconvertscale \
    videoparsersbad videotestsrc wavparse; do
    cp "$from/gstreamer-1.0/libgst$name.so" "$to/plugins/"
  done
  cp build/gst/libgstlatentsync.so "$to/plugins/"
  # Opened by name.
  cp -L "$from/libgstcuda-1.0.so.0" "$to/lib/"
  ldd "$to"/bin/* "$to"/lib/* "$to"/plugins/* | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' | sort -u |
    while read -r library path; do
      case $library in
        libc.so.* | libm.so.* | libdl.so.* | libpthread.so.* | librt.so.* | libresolv.so.* | libstdc++.so.* | libgcc_s.so.* | libcuda.so.*) ;;
        *) [ -e "$to/lib/$library" ] || cp -L "$path" "$to/lib/" ;;
      esac
    done
  strip --strip-unneeded "$to"/bin/* "$to"/lib/* "$to"/plugins/*
}
[ "$gstreamer" = no ] || pack_gstreamer "$carry.new/gstreamer"

# What run.sh's stage "build" makes.
pack_binaries() {
  local to=$1 name
  mkdir -p "$to/tests"
  for name in liblatentsync-engine.so tests/{latentsync-bench,libcount-calls.so,{kernel,golden,device,unit,lipsync,train,real-size}-tests}; do
    [ -f "build/$name" ] || { echo "build/$name is missing: build first" >&2; exit 1; }
    cp "build/$name" "$to/$name"
    strip --strip-unneeded "$to/$name"
  done
}
[ "$binaries" = no ] || pack_binaries "$carry.new/binaries"

rm -rf "$carry"
mv "$carry.new" "$carry"
du -sh "$carry"
