#!/usr/bin/env bash
# Everything a build needs: Debian's packages where they are missing, and LibTorch in a private folder.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
  cat <<'TEXT'
usage: ./setup.sh [--cpu | --cuda | --auto] [--bundled] [--packages] [--help]

  --cpu      the CPU part of LibTorch only
  --cuda     the CUDA part too
  --auto     (the default) the CUDA part where nvcc or an NVIDIA driver is; an earlier --cpu or --cuda
             holds until --auto, --cpu or --cuda is given
  --bundled  take every CUDA library from its wheel, also those that the installed toolkit has
  --packages print the names of Debian's packages that a build needs, and do nothing

LibTorch goes to deps/libtorch ($LATENTSYNC_DEPS/libtorch where that is set): about 0.6 GB with --cpu, 1.3 GB with
--cuda beside a CUDA 13.0 toolkit, 4 GB without one. pip is used as it is configured. Nothing is done twice.
TEXT
}

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

choice=
bundled=no
only_print=no
for argument in "$@"; do
  case $argument in
    --cpu | --cuda | --auto) choice=${argument#--} ;;
    --bundled) bundled=yes ;;
    --packages) only_print=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; die "unknown option $argument" ;;
  esac
done

deps=${LATENTSYNC_DEPS:-$PWD/deps}
root=$deps/libtorch
stamp=$root/.stamp
table=meson/libtorch-wheels.txt

# --- Debian's packages ---------------------------------------------------------------------------------------------

packages=(g++ meson ninja-build pkg-config nlohmann-json3-dev libgtest-dev libgmock-dev libpng-dev libxxhash-dev python3 python3-pip
  python3-venv libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstreamer-plugins-bad1.0-dev libges-1.0-dev ges1.0-tools gstreamer1.0-tools
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
  gstreamer1.0-libav gstreamer1.0-nice python3-gi gir1.2-gst-rtsp-server-1.0 gir1.2-gst-plugins-base-1.0 gir1.2-gstreamer-1.0 gir1.2-gtk-3.0
  libgtk-3-dev gstreamer1.0-gtk3 xvfb xauth ffmpeg espeak-ng patchelf)
# A browser without a screen, and Slurm, for one test each; other distributions have none of these names.
! grep -qsx 'ID=debian' /etc/os-release || packages+=(chromium-headless-shell slurmctld slurmd slurm-client munge)
if [ "$only_print" = yes ]; then
  echo "${packages[*]}"
  exit 0
fi

# What a build really uses, for machines that have it from somewhere else.
tools_are_there() {
  local tool
  for tool in g++ meson ninja pkg-config python3 gst-launch-1.0 ffmpeg; do command -v "$tool" >/dev/null || return 1; done
  pkg-config --exists 'nlohmann_json >= 3.11' gtest gmock libpng libxxhash 'gstreamer-plugins-bad-1.0 >= 1.22'
}

missing_packages() {
  command -v dpkg-query >/dev/null || return 0
  local package
  for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s ' "$package"
  done
}

install_packages() {
  if ! command -v apt-get >/dev/null; then
    tools_are_there || die "this is no Debian: install the equivalents of: ${packages[*]}"
    return
  fi
  local missing
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
      as_root=(sudo)
    elif tools_are_there; then
      return 0
    else
      die "packages are missing and this is not root: sudo apt-get install $missing"
    fi
  fi
  say "installing $missing"
  "${as_root[@]}" apt-get update -q ||
    say "apt-get update had an error (a foreign source, perhaps); trying to install all the same"
  # shellcheck disable=SC2086
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing ||
    die "apt-get could not install: $missing"
}

# --- LibTorch ------------------------------------------------------------------------------------------------------

nvcc_path() {
  if command -v nvcc; then return; fi
  local folder
  for folder in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda; do
    if [ -n "$folder" ] && [ -x "$folder/bin/nvcc" ]; then printf '%s\n' "$folder/bin/nvcc"; return; fi
  done
  return 1
}

has_driver() {
  [ -e /proc/driver/nvidia/version ] || ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1 .*x86-64'
}

decide_part() {
  local previous=
  [ -f "$stamp" ] && previous=$(sed -n 's/^choice //p' "$stamp")
  choice=${choice:-${previous:-auto}}
  part=$choice
  if [ "$choice" = auto ]; then
    part=cpu
    if nvcc_path >/dev/null || has_driver; then part=cuda; fi
  fi
}

# The folder of the CUDA 13.0 toolkit's library of this name, or "-" where the loader finds it by itself.
# Only a toolkit of the release that LibTorch was built with counts.
toolkit_folder() {
  local nvcc folder
  [ "$bundled" = no ] && nvcc=$(nvcc_path) && "$nvcc" --version | grep -q 'release 13\.0' || return 1
  if ldconfig -p 2>/dev/null | grep -qF "$1 (libc6,x86-64)"; then echo -; return; fi
  folder=$(dirname "$(dirname "$(readlink -f "$nvcc")")")
  for folder in "$folder"/{lib64,lib,targets/x86_64-linux/lib,extras/CUPTI/lib64}; do
    if [ -e "$folder/$1" ]; then printf '%s\n' "$folder"; return; fi
  done
  return 1
}

wanted_stamp() {
  printf 'choice %s\npart %s\nbundled %s\nwheels %s\n' "$choice" "$part" "$bundled" \
    "$(cat "$table" meson/unpack_wheels.py meson/own_libraries.py | sha256sum | cut -c1-64)"
}

# Prints the libraries that the loader would not find, if any.
unresolved() {
  local library
  for library in "$1"/lib/libtorch_c*.so; do ldd "$library" | sed -n 's/^[[:space:]]*\(.*\) => not found.*/\1/p'; done |
    sort -u | tr '\n' ' '
}

python_with_pip() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then printf '%s\n' "$python"; return; fi
  done
  die "python3 has no pip: install python3-pip"
}

install_libtorch() {
  decide_part
  if [ -f "$stamp" ] && [ "$(wanted_stamp)" = "$(cat "$stamp")" ] && [ -z "$(unresolved "$root")" ]; then
    say "LibTorch 2.11.0 ($part) is in $root"
    return
  fi
  [ "$(uname -sm)" = "Linux x86_64" ] ||
    die "LibTorch's pinned wheels are for Linux on x86-64, this is $(uname -sm): give meson -Dlibtorch=PATH"

  local python
  python=$(python_with_pip)
  mkdir -p "$deps"
  # Unpacked beside its place and renamed when whole: an interrupted run leaves nothing that looks finished.
  find "$deps" -maxdepth 1 -name '.libtorch.*' -mmin +120 -exec rm -rf {} +
  work=$(mktemp -d "$deps/.libtorch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  mkdir -p "$work/wheels" "$work/libtorch/lib"

  local row_part library requirement sha256 folder
  while read -r row_part library requirement sha256; do
    case $row_part in '' | '#'*) continue ;; esac
    if [ "$row_part" = cuda ] && [ "$part" = cpu ]; then continue; fi
    if [ "$library" != - ] && folder=$(toolkit_folder "$library"); then
      [ "$folder" = - ] || ln -s "$folder/$library" "$work/libtorch/lib/$library"
      continue
    fi
    printf '%s --hash=sha256:%s\n' "$requirement" "$sha256"
  done <"$table" >"$work/requirements.txt"

  say "downloading LibTorch 2.11.0 ($part): $(wc -l <"$work/requirements.txt") wheels"
  local platforms=(--platform manylinux2014_x86_64 --platform manylinux2010_x86_64 --platform manylinux1_x86_64) minor
  for minor in $(seq 5 28); do platforms+=(--platform "manylinux_2_${minor}_x86_64"); done
  # The wheel's Python does not matter, nothing here imports it: 3.11 is asked for whatever this machine has.
  "$python" -m pip download --quiet --no-deps --no-cache-dir --require-hashes --only-binary=:all: \
    --python-version 3.11 --implementation cp "${platforms[@]}" \
    --dest "$work/wheels" -r "$work/requirements.txt" </dev/null ||
    die "pip could not download LibTorch's wheels (see above); is a package registry reachable?"
  say "unpacking"
  "$python" meson/unpack_wheels.py "$work/wheels" "$work/libtorch" "$part"
  "$python" meson/own_libraries.py "$work/libtorch/lib"

  local lost
  lost=$(unresolved "$work/libtorch")
  [ -z "$lost" ] || die "these libraries are missing: $lost(try --bundled, or --cpu)"
  wanted_stamp >"$work/libtorch/.stamp"
  rm -rf "$root"
  mv "$work/libtorch" "$root"
  say "LibTorch 2.11.0 ($part) is in $root"
}

install_packages
install_libtorch
say "done; build with: meson setup build && ninja -C build"
