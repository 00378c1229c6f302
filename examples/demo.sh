#!/usr/bin/env bash
# Sets up, builds, lip-syncs one person's face to another person's speech, and makes a side-by-side video and a contact sheet.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
usage: examples/demo.sh [--clip grid|demo1] [--no-setup] [--help]

  --clip grid    (the default) 3 s: a speaker the demo model was not trained on, with another speaker's sentence
  --clip demo1   4 s of 1080x1920: a clip unlike those the demo model was trained on
  --no-setup     do not run ./setup.sh first

Writes demo-out/lipsync.mp4, demo-out/side-by-side.mp4, demo-out/contact-sheet.png.
TEXT
}

clip=grid
setup=yes
while [ $# -gt 0 ]; do
  case $1 in
    --clip)
      case ${2:-} in
        grid | demo1) clip=$2 ;;
        *) printf 'demo: --clip takes grid or demo1, not "%s"\n' "${2:-}" >&2; exit 2 ;;
      esac
      shift
      ;;
    --no-setup) setup=no ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

say() { printf 'demo: %s\n' "$*"; }
media=examples/media
out=demo-out
work=build/demo

build() {
  [ "$setup" = no ] || ./setup.sh
  local libtorch=${LATENTSYNC_DEPS:-$PWD/deps}/libtorch options=()
  [ -z "${LATENTSYNC_DEPS:-}" ] || options=("-Dlibtorch=$libtorch")
  if [ ! -f build/build.ninja ]; then
    rm -rf build
    meson setup build "${options[@]}"
  elif [ "$libtorch/.stamp" -nt build/build.ninja ]; then
    meson setup --wipe build
  fi
  ninja -C build liblatentsync-engine.so gst/libgstlatentsync.so examples/transcode/latentsync-transcode
}

ff() { ffmpeg -nostdin -v error -y "$@"; }

# Swaps the halves of the driving sentence: unchanged, its pauses would coincide with those of the original video, and a
# mouth that ignores the speech would look right.
swap_halves() {
  ff -i "$1" -filter_complex "[0:v]trim=1.48,setpts=PTS-STARTPTS[v1];[0:v]trim=0:1.48[v0];[v1][v0]concat=n=2,fps=25[v];
    [0:a]atrim=1.48,asetpts=PTS-STARTPTS[a1];[0:a]atrim=0:1.48[a0];[a1][a0]concat=n=2:v=0:a=1[a]" \
    -map '[v]' -map '[a]' -c:v libx264 -crf 12 -c:a pcm_s16le "$2"
}

choose_clip() {
  case $clip in
    grid)
      video=$media/grid_drp-m.mp4
      speech=$work/driver.mkv
      face=crop=208:208:40:74
      driver_face=crop=208:208:48:78
      part=()
      every=7
      swap_halves $media/grid_s1_sbwh7s.mp4 "$speech"
      ;;
    demo1)
      video=$media/demo1_video.mp4
      speech=$media/demo1_audio.wav
      face=crop=460:460:400:500
      part=(--duration 4)
      every=9
      ;;
  esac
}

label() { printf "drawtext=font=Sans:fontsize=%s:fontcolor=%s:text='%s':%s" "$1" "$2" "$3" "$4"; }

# title TEXT: a title above a picture of the side-by-side video.
title() { printf 'pad=iw:ih+36:0:36:black,%s' "$(label 20 white "$1" 'x=(w-tw)/2:y=8')"; }

side_by_side() {
  local original="[0:v]$view,$(title original)[o];" made="[1:v]$view,$(title 'lip-synced')[m];"
  if [ "$clip" = grid ]; then
    ff -i "$video" -i $out/lipsync.mp4 -i "$speech" -filter_complex \
      "$original$made[2:v]$view,$(title 'speech of')[d];[d][o][m]hstack=3[v]" \
      -map '[v]' -map 1:a -c:v libx264 -crf 16 -pix_fmt yuv420p -c:a copy -shortest $out/side-by-side.mp4
  else
    ff -i "$video" -i $out/lipsync.mp4 -filter_complex "$original$made[o][m]hstack=2:shortest=1[v]" \
      -map '[v]' -map 1:a -c:v libx264 -crf 16 -pix_fmt yuv420p -c:a copy -shortest $out/side-by-side.mp4
  fi
}

# row NAME LABEL FILE CROP: every $every-th face of FILE beside its label; the first row also shows the times.
row() {
  local times=null
  [ "$1" != first ] || times=$(label 16 white '%{eif\:floor(t)\:d}.%{eif\:mod(t*100,100)\:d\:2} s' 'x=5:y=4:box=1:boxcolor=black@0.6:boxborderw=3')
  ff -i "$3" -f lavfi -i color=white:size=150x160 -filter_complex \
    "[0:v]$4,scale=160:160,$times,select='not(mod(n,$every))',tile=11x1:nb_frames=11[faces];
     [1:v]$(label 20 black "$2" 'x=12:y=(h-th)/2')[name];[name][faces]hstack" -frames:v 1 "$work/$1.png"
}

contact_sheet() {
  local rows=()
  if [ "$clip" = grid ]; then
    row first 'speech of' "$speech" $driver_face
    row original original "$video" $face
    rows=(-i $work/first.png -i $work/original.png)
  else
    row first original "$video" $face
    rows=(-i $work/first.png)
  fi
  row made 'lip-synced' $out/lipsync.mp4 $face
  rows+=(-i $work/made.png)
  ff "${rows[@]}" -filter_complex "vstack=$((${#rows[@]} / 2))" -frames:v 1 -update 1 $out/contact-sheet.png
}

build
mkdir -p $out $work
# Threads that wait by spinning starve each other where cores are few.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
choose_clip
view=null
[ "$clip" = grid ] || view=scale=540:960
say "the model is models/demo, of 6 million parameters: the mouth follows the speech; teeth flicker, and chins at rest may have spots and dark lines."
say "On two CPU cores this takes less than a minute."
begin=$(date +%s)
build/examples/transcode/latentsync-transcode "$video" --audio "$speech" "${part[@]}" --no-cache -o $out/lipsync.mp4
side_by_side
contact_sheet
seconds=$(($(date +%s) - begin))
ls -l $out/lipsync.mp4 $out/side-by-side.mp4 $out/contact-sheet.png
say "took $seconds s after the build"
