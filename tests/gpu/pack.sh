#!/usr/bin/env bash
# Collects, on a machine with downloads, what tests/gpu/run.sh needs where nothing can be downloaded: the headers of
# nlohmann-json and xxHash, GoogleTest's sources, libpng, and diffusers with what it needs beside PyTorch. All of it goes to .gpu-carry
# (5 to 7 MB), which git ignores and which has to travel with the tree.
#
#     tests/gpu/pack.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

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

rm -rf "$carry"
mv "$carry.new" "$carry"
du -sh "$carry"
