#!/usr/bin/env bash
# Proves that what examples/package.sh makes runs from any folder.
#
#     tests/package.sh [BUILD]             a package of this build (build), moved: its parts find each other and nothing of
#                                          the build, the plugin is inspected and renders eight frames, and a program uses
#                                          the engine by pkg-config
#     sudo tests/package.sh --bare [BUILD] the tarball without CUDA, or a package of BUILD, in a root of Debian bookworm that
#                                          debootstrap makes, with nothing but GStreamer: lip-syncs a second of the sample
#                                          clip. Minutes; 2 GB of disk
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;; esac

fail() { printf 'package test: %s\n' "$*" >&2; exit 1; }

# Debian bookworm with GStreamer's plugins and nothing else, in $root.
make_bare_root() {
  [ ! -e "$root/.done" ] || return 0
  command -v debootstrap >/dev/null || apt-get install -y -q --no-install-recommends debootstrap
  rm -rf "$root"
  debootstrap --variant=minbase bookworm "$root" >"$root.log" 2>&1 || fail "debootstrap failed: $root.log"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  cp /etc/resolv.conf "$root/etc/"
  # shellcheck disable=SC2016
  unshare --mount sh -ec '
    mount -t proc proc "$0/proc"
    mount --rbind /dev "$0/dev"
    export DEBIAN_FRONTEND=noninteractive
    chroot "$0" apt-get update -q
    chroot "$0" apt-get install -y -q --no-install-recommends gstreamer1.0-tools gstreamer1.0-plugins-base \
      gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav' "$root" >"$root.log" 2>&1 ||
    fail "apt-get failed: $root.log"
  touch "$root/.done"
}

bare() {
  local build=${1:-} root=$PWD/build/bare
  [ "$(id -u)" = 0 ] || fail "debootstrap needs root"
  make_bare_root
  rm -rf "$root/opt/"* "$root/tmp/"*
  if [ -n "$build" ]; then
    examples/package.sh --build "$build" --folder -o "$root/opt/latentsync-package"
  else
    examples/package.sh -o build/bare.tar.xz
    tar -C "$root/opt" -xf build/bare.tar.xz
    du -sh build/bare.tar.xz
  fi
  cp examples/media/grid_drp-m.mp4 "$root/tmp/in.mp4"
  cp examples/media/demo1_audio.wav "$root/tmp/speech.wav"
  cat >"$root/tmp/run" <<'TEXT'
cd /opt/latentsync-*
export GST_PLUGIN_PATH=$(echo $PWD/lib/*/gstreamer-1.0)
gst-inspect-1.0 latentsync >/dev/null
bin/latentsync-transcode /tmp/in.mp4 --audio /tmp/speech.wav --duration 1 --stats /tmp/stats.json -o /tmp/out.mp4
gst-launch-1.0 -q latentsync name=l inference-steps=1 resolution=128 ! fakesink uridecodebin uri=file:///tmp/out.mp4 ! videoconvert ! queue ! l.video_sink \
  filesrc location=/tmp/speech.wav ! wavparse ! queue ! l.audio_sink
TEXT
  # shellcheck disable=SC2016
  unshare --mount sh -ec '
    mount -t proc proc "$0/proc"
    mount --rbind /dev "$0/dev"
    exec chroot "$0" env -i PATH=/usr/bin:/bin HOME=/tmp OMP_WAIT_POLICY=passive sh -e /tmp/run' "$root"
  { grep -q '"frames": 25,' "$root/tmp/stats.json" && grep -q '"frames-passed": 0,' "$root/tmp/stats.json"; } || fail "not all of 25 frames are edited: $(cat "$root/tmp/stats.json")"
  echo "package test: a bare root lip-syncs; unpacked $(du -shc "$root"/opt/* | tail -1 | cut -f1)"
}

# Everything that FILE needs lies in FOLDER or in the system's folders.
check_links() {
  local file=$1 folder=$2 strange
  strange=$(ldd "$file" | grep -vE "=> ($folder/|/lib/|/usr/lib/|/lib64/)|linux-vdso|ld-linux") || true
  [ -z "$strange" ] || fail "${file#"$folder/"} uses $strange"
}

moved() {
  local build=$1 work package plugins
  work=$(mktemp -d "$PWD/$build/.package-test.XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf '$work'" EXIT
  examples/package.sh --build "$build" --folder -o "$work/made"
  mv "$work/made" "$work/moved"
  package=$work/moved
  plugins=$(dirname "$(find "$package/lib" -name libgstlatentsync.so)")
  local engine=${plugins%/*}/liblatentsync-engine.so
  check_links "$engine" "$package"
  check_links "$package/bin/latentsync-transcode" "$package"
  ! readelf -d "$engine" | grep -E 'R(UN)?PATH' | grep -qv '\[\$ORIGIN/latentsync\]' || fail "the engine has a path of the build"

  ffmpeg -nostdin -v error -i examples/media/grid_drp-m.mp4 -i examples/media/demo1_audio.wav \
    -map 0:v -vf scale=288:288 -frames:v 8 -pix_fmt yuv420p -c:v ffv1 "$work/in.mkv" -map 1:a -t 1 "$work/speech.wav"
  local set=(device=cpu inference-steps=1 resolution=128)
  export GST_PLUGIN_PATH=$plugins GST_REGISTRY=$work/registry.bin
  unset LATENTSYNC_ENGINE
  gst-inspect-1.0 latentsync >"$work/inspected"
  grep -qF "$plugins/libgstlatentsync.so" "$work/inspected" || fail "the plugin is not the package's"
  gst-launch-1.0 -m latentsync name=l "${set[@]}" ! fakesink filesrc location="$work/in.mkv" ! matroskademux ! avdec_ffv1 ! queue ! \
    l.video_sink filesrc location="$work/speech.wav" ! wavparse ! queue ! l.audio_sink >"$work/messages"
  grep -q 'latentsync-window' "$work/messages" || fail "nothing was rendered: $(cat "$work/messages")"
  unset GST_PLUGIN_PATH
  "$package/bin/latentsync-transcode" --list-presets >"$work/presets"
  grep -q interview "$work/presets" || fail "the presets are not found"
  "$package/bin/latentsync-transcode" "$work/in.mkv" --audio "$work/speech.wav" --no-cache \
    $(printf -- '--set %s ' "${set[@]}") --stats "$work/stats.json" -o "$work/out.mkv" >/dev/null
  grep -q '"frames-edited": *8' "$work/stats.json" || fail "not all of 8 frames are edited: $(cat "$work/stats.json")"

  cat >"$work/user.cpp" <<'TEXT'
#include "core/engine.h"
extern "C" latentsync::Engine* latentsync_engine(int version);
int main() { return latentsync_engine(latentsync::kEngineVersion) != nullptr ? 0 : 1; }
TEXT
  # shellcheck disable=SC2046
  g++ "$work/user.cpp" -o "$work/user" $(PKG_CONFIG_PATH=${plugins%/*}/pkgconfig pkg-config --cflags --libs latentsync-engine)
  LD_LIBRARY_PATH=${plugins%/*} "$work/user" || fail "a program cannot use the engine"
  echo "package test: $(du -sh "$package" | cut -f1) in all"
}

if [ "${1:-}" = --bare ]; then bare "${2:-}"; else moved "${1:-build}"; fi
