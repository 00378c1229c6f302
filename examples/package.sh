#!/usr/bin/env bash
# Makes a folder or a tarball that runs wherever GStreamer 1.22 is installed: plugin, command line, engine, LibTorch, models.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
usage: examples/package.sh [--build FOLDER] [--folder] [--no-setup] [-o OUT] [--help]

  --build FOLDER  package this build, with the CUDA part if it has one; otherwise build/package is built without CUDA
  --folder        make a folder, no tarball
  --no-setup      do not run ./setup.sh first
  -o OUT          otherwise build/latentsync-VERSION-linux-x86_64.tar.xz, or the folder of that name without .tar.xz

Needs patchelf, and xz for the tarball.
TEXT
}

build=
folder=no
setup=yes
out=
while [ $# -gt 0 ]; do
  case $1 in
    --build) build=${2:?--build needs a folder}; shift ;;
    --folder) folder=yes ;;
    --no-setup) setup=no ;;
    -o) out=${2:?-o needs a name}; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

die() { printf 'package: %s\n' "$*" >&2; exit 1; }
command -v patchelf >/dev/null || die "patchelf is missing: install it"

if [ -z "$build" ]; then
  build=build/package
  [ "$setup" = no ] || ./setup.sh
  libtorch=${LATENTSYNC_DEPS:-$PWD/deps}/libtorch
  [ -f "$build/build.ninja" ] && [ ! "$libtorch/.stamp" -nt "$build/build.ninja" ] || {
    rm -rf "$build"
    meson setup "$build" -Dcuda=disabled -Dtests=disabled "-Dlibtorch=$libtorch"
  }
  ninja -C "$build" liblatentsync-engine.so gst/libgstlatentsync.so examples/transcode/latentsync-transcode
fi
version=$(sed -n "s/^  version: '\(.*\)',/\1/p" meson.build)
name=latentsync-$version-linux-x86_64
if [ "$folder" = yes ]; then out=${out:-build/$name}; else out=${out:-build/$name.tar.xz}; fi
mkdir -p "$(dirname "$out")"
out=$(realpath -m "$out")
[ "$folder" = no ] || [ ! -e "$out" ] || die "$out is there already"
# Beside OUT, so that libraries can be linked in place of being copied.
work=$(mktemp -d "$(dirname "$out")/.package.XXXXXX")
trap 'rm -rf "$work"' EXIT

# An installation finds its parts from where it lies, so its prefix becomes the root of the package.
meson install -C "$build" --no-rebuild --quiet --destdir "$work/destination" >/dev/null
prefix=$(meson introspect "$build" --buildoptions | python3 -c '
import json, sys
print(next(option["value"] for option in json.load(sys.stdin) if option["name"] == "prefix"))')
root=$work/$name
mv "$work/destination$prefix" "$root"
engine=$(find "$root/lib" -name liblatentsync-engine.so)
[ -n "$engine" ] || die "$build has no engine: ninja -C $build"

# The engine finds these beside it, and by its DT_RPATH they find each other.
libraries=$(dirname "$engine")/latentsync
mkdir "$libraries"
add_library() {
  cp --link --dereference "$1" "$libraries/$2" 2>/dev/null || cp --dereference "$1" "$libraries/$2"
}

# All that the engine needs, but for what every Debian has.
ldd "$engine" | sed -n 's/^\t\([^ ]*\) => \(\/[^ ]*\) .*/\1 \2/p' >"$work/needed"
while read -r library path; do
  case $library in libc.* | libm.* | libdl.* | librt.* | libutil.* | libpthread.* | libgcc_s.* | libstdc++.*) continue ;; esac
  add_library "$path" "$library"
done <"$work/needed"
[ -e "$libraries/liblsync_cpu.so" ] || die "$build does not use the LibTorch of setup.sh"
torch=$(dirname "$(dirname "$(sed -n 's/^liblsync_cpu\.so //p' "$work/needed")")")

# What LibTorch's CUDA part and cuDNN open by name.
if [ -e "$libraries/liblsync_cuda.so" ]; then
  while read -r _ path; do dirname "$path"; done <"$work/needed" | sort -u | while read -r place; do
    for path in "$place"/{liblsync_cuda_linalg.so,liblsync2_nvrtc.so,libcusolver.so.12,libcudnn_*.so.9,libnvrtc.so.13,libnvrtc-builtins.so.13*}; do
      [ ! -e "$path" ] || [ -e "$libraries/${path##*/}" ] || add_library "$path" "${path##*/}"
    done
  done
fi
patchelf --force-rpath --set-rpath '$ORIGIN/latentsync' "$engine"

description=$(find "$root" -name latentsync-engine.pc)
sed -i "s|^prefix=.*|prefix=\${pcfiledir}/$(realpath --relative-to="$(dirname "$description")" "$root")|" "$description"

mkdir -p "$root/share/doc/latentsync"
cp LICENSE "$root/share/doc/latentsync/"
for text in LICENSE NOTICE; do cp "$torch/$text" "$root/share/doc/latentsync/$text.LibTorch"; done
plugins=$(dirname "$(find "$root/lib" -name libgstlatentsync.so)")
cat >"$root/README" <<TEXT
latentsync $version for Linux on x86-64 with GStreamer 1.22 or newer (Debian bookworm or newer: gstreamer1.0-tools,
gstreamer1.0-plugins-base, -good, -bad, -ugly, gstreamer1.0-libav).

    export GST_PLUGIN_PATH=FOLDER/${plugins#"$root/"}
    gst-inspect-1.0 latentsync
    FOLDER/bin/latentsync-transcode IN.mp4 --audio SPEECH.wav -o OUT.mp4

The folder may be moved.
TEXT

if [ "$folder" = yes ]; then
  mv "$root" "$out"
else
  tar -C "$work" --owner=0 --group=0 -cf - "$name" | xz -T0 -2 >"$out.part"
  mv "$out.part" "$out"
fi
echo "package: $out ($(du -sh "$out" | cut -f1))"
