#!/usr/bin/env bash
# Builds the plugin in a root of a newer Debian and runs tests/gst there, against its GStreamer. The last line is
# "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() {
  cat <<'TEXT'
usage: tests/gst/newer_gstreamer.sh [--root FOLDER] [--release NAME] [--filter PATTERN] [--suite NAME]... [--help]

  --root FOLDER     where the other Debian is put, and its build; default build/trixie (3 GB). A second run uses it again
  --release NAME    Debian's name for it; default trixie (GStreamer 1.26)
  --filter PATTERN  a GoogleTest filter for every suite, e.g. 'Seek.*'
  --suite NAME      only this suite (seek, flow, ...); may be given several times

Needs root: it makes a root with debootstrap (which is installed if it is missing), mounts the source and LibTorch
read-only into it, and builds and runs in it. The mounts are in a namespace of this script's own: they end with it.
LibTorch is deps/libtorch, or $LATENTSYNC_DEPS/libtorch; only its headers are needed, to configure.
TEXT
}

say() { printf 'newer_gstreamer: %s\n' "$*"; }
die() { printf 'newer_gstreamer: %s\n' "$*" >&2; exit 1; }

root=$PWD/build/trixie
release=trixie
filter='*'
suites=()
arguments=("$@")
while [ $# -gt 0 ]; do
  case $1 in
    --root) root=$(realpath -m "${2:?--root needs a folder}"); shift ;;
    --release) release=${2:?--release needs a name}; shift ;;
    --filter) filter=${2:?--filter needs a pattern}; shift ;;
    --suite) suites+=("${2:?--suite needs a name}"); shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; die "unknown option $1" ;;
  esac
  shift
done

[ "$(id -u)" = 0 ] || die "this needs root"
libtorch=${LATENTSYNC_DEPS:-$PWD/deps}/libtorch
[ -d "$libtorch/include" ] || die "$libtorch/include is missing: run ./setup.sh"

# Mounts of a namespace of its own need no clearing away, however this ends.
if [ "${LATENTSYNC_OWN_MOUNTS:-}" != $$ ]; then
  exec unshare --mount --propagation private env bash -c 'LATENTSYNC_OWN_MOUNTS=$$ exec "$0" "$@"' \
    "$PWD/tests/gst/newer_gstreamer.sh" "${arguments[@]}"
fi

make_root() {
  [ ! -f "$root/.made" ] || return 0
  if ! command -v debootstrap >/dev/null; then
    say "installing debootstrap"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends debootstrap
  fi
  say "making a root of $release in $root"
  rm -rf "$root"
  mkdir -p "$root"
  debootstrap --variant=minbase "$release" "$root" >"$root.log" 2>&1 || { tail "$root.log"; die "debootstrap failed: $root.log"; }
  # Nothing is to be started by what is installed there.
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  touch "$root/.made"
}

mount_read_only() {
  mkdir -p "$2"
  mount --bind "$1" "$2"
  mount -o remount,bind,ro "$2"
}

mount_all() {
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount_read_only "$PWD" "$root/latentsync"
  mount_read_only "$libtorch" "$root/libtorch"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
}

# Runs a command of the other Debian.
inside() {
  chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    OMP_WAIT_POLICY=passive LATENTSYNC_TEST_TIME_FACTOR="${LATENTSYNC_TEST_TIME_FACTOR:-1}" "$@"
}

install_packages() {
  local packages
  packages=$(./setup.sh --packages)
  [ "$packages" != "$(cat "$root/.packages" 2>/dev/null)" ] || return 0
  say "installing packages"
  inside apt-get update -q
  # shellcheck disable=SC2086
  inside apt-get install -y -q --no-install-recommends $packages >"$root.log" 2>&1 ||
    { tail "$root.log"; die "apt-get failed: $root.log"; }
  printf '%s\n' "$packages" >"$root/.packages"
}

# The suites that need no engine but the fake one.
build() {
  [ -f "$root/build/build.ninja" ] ||
    inside meson setup /build /latentsync -Dlibtorch=/libtorch -Dcuda=disabled -Dtests=enabled
  inside ninja -C /build build.ninja
  mapfile -t targets < <(inside ninja -C /build -t targets all |
    sed -n 's,^\(tests/gst/gst-[a-z_-]*-tests\): .*,\1,p' | grep -vE -- '-(apps|real|other_torch)-')
  inside ninja -C /build gst/libgstlatentsync.so tests/gst/libfake-engine.so "${targets[@]}"
}

wanted() {
  local suite
  [ ${#suites[@]} != 0 ] || return 0
  for suite in "${suites[@]}"; do [ "$1" != "gst-$suite-tests" ] || return 0; done
  return 1
}

passed=0
failed=0
run_suite() {
  local target=$1 name=${1##*/} status=0 log ok bad
  log=$root/build/$name.log
  inside timeout --kill-after=10 600 "/build/$target" "--gtest_filter=$filter" </dev/null >"$log" 2>&1 || status=$?
  ok=$(grep -c '\[       OK \]' "$log" || true)
  bad=$(grep -cE '\[  FAILED  \] .*\([0-9]+ ms\)$' "$log" || true)
  if [ "$status" != 0 ]; then
    [ "$bad" -gt 0 ] && [ "$status" = 1 ] || bad=$((bad + 1))
    cat "$log"
  fi
  say "$name: $ok passed, $bad failed, exit status $status"
  passed=$((passed + ok))
  failed=$((failed + bad))
}

make_root
mount_all
install_packages
build
say "$(inside gst-inspect-1.0 --version | head -n 1)"
for target in "${targets[@]}"; do
  ! wanted "${target##*/}" || run_suite "$target"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
