#!/usr/bin/env bash
# Small files of every kind that the command line meets, made from the sample clips: make.sh FOLDER.
# Each has a face and takes a second or two to decode. Needs ffmpeg; nothing is done twice. May run several times at once.
set -euo pipefail
folder=${1:?usage: make.sh FOLDER}
clips=$(cd "$(dirname "$0")/../../examples/media" && pwd)
mkdir -p "$folder"
cd "$folder"
# One run makes the files; the others wait for it. What a killed one left is nobody's.
exec 9>.lock
flock 9
rm -rf partial.*
partial=$(mktemp -d partial.XXXXXX)
trap 'rm -rf "$partial"' EXIT
face=$clips/grid_drp-m.mp4
speech=$clips/grid_s1_sbwh7s.mp4
x264=(-c:v libx264 -preset ultrafast -crf 12 -g 12)

# Files are written elsewhere and get their names when whole.
# make NAME FFMPEG-ARGUMENTS...
make() {
  local name=$1
  shift
  [ ! -e "$name" ] || return 0
  ffmpeg -nostdin -v error -y "$@" "$partial/$name"
  mv "$partial/$name" "$name"
}

# write NAME COMMAND...: its standard output.
write() {
  local name=$1
  shift
  [ ! -e "$name" ] || return 0
  "$@" >"$partial/$name"
  mv "$partial/$name" "$name"
}

# A rate is made by saying another one over the same frames: every frame stays a different picture.
at_rate() {
  local name=$1 rate=$2
  make "$name" -r "$rate" -i "$face" -i "$speech" -map 0:v -map 1:a -frames:v 40 "${x264[@]}" -c:a aac -shortest
}

at_rate rate-25.mp4 25
at_rate rate-30.mp4 30
at_rate rate-23976.mp4 24000/1001
at_rate rate-60.mp4 60
# Every third frame lasts as long as two, and 500 ms are missing in the middle.
make variable-rate.mkv -i "$face" -map 0:v -map 0:a -frames:v 40 \
  -vf "setpts='(N*0.04+floor(N/3)*0.04+if(gte(N,20),0.5,0))/TB'" -fps_mode passthrough "${x264[@]}" -c:a aac
make variable-rate.mp4 -i variable-rate.mkv -map 0 -c copy -video_track_timescale 90000
make speech-44100-stereo.mp3 -i "$speech" -ar 44100 -ac 2 -c:a libmp3lame -b:a 96k
make speech-long.wav -stream_loop 1 -i "$speech" -map 0:a -ar 16000 -ac 1 -t 3
make ten-bit.mp4 -i "$face" -frames:v 24 -pix_fmt yuv420p10le -c:v libx264 -preset ultrafast -crf 12 -c:a aac -shortest
make odd-size.mkv -i "$face" -frames:v 24 -vf "format=yuv444p,crop=255:271:16:8" -c:v ffv1 -c:a flac -shortest
make odd-size.mp4 -i "$face" -frames:v 24 -vf "format=yuv444p,crop=255:271:16:8" "${x264[@]}" -c:a aac -shortest
make turned-pixels.mp4 -i "$face" -frames:v 24 -vf "crop=240:288:24:0,transpose=clock" "${x264[@]}" -c:a aac -shortest
make rotated.mp4 -i turned-pixels.mp4 -c copy -metadata:s:v:0 rotate=90
make wide-pixels.mp4 -i "$face" -frames:v 24 -vf "scale=216:288,setsar=4/3" "${x264[@]}" -c:a aac -shortest
make no-face.mp4 -f lavfi -i "color=gray:size=192x192:rate=25" -i "$speech" -map 0:v -map 1:a -t 2 "${x264[@]}" -c:a aac
make face-comes-later.mp4 -f lavfi -i "color=0x20a0c0:size=288x288:rate=25:duration=2" -i "$face" -i "$speech" \
  -filter_complex "[0:v][1:v]concat=n=2,setsar=1[v]" -map "[v]" -map 2:a -frames:v 66 "${x264[@]}" -c:a aac
make short.mp4 -i "$face" -i "$speech" -map 0:v -map 1:a -frames:v 10 "${x264[@]}" -c:a aac -shortest
make no-audio.mp4 -i "$face" -frames:v 24 -an "${x264[@]}"
make audio-only.m4a -i "$speech" -vn -c:a aac -t 1
make late-video.mp4 -itsoffset 0.4 -i "$face" -i "$speech" -map 0:v -map 1:a -frames:v 24 "${x264[@]}" -c:a aac -shortest
make b-frames.mp4 -i "$face" -i "$speech" -map 0:v -map 1:a -t 1.6 -c:v libx264 -bf 3 -crf 12 -c:a aac
make transport.ts -i "$face" -i "$speech" -map 0:v -map 1:a -t 1.6 -c:v libx264 -bf 2 -crf 12 -c:a aac
# The last frame is shown for 1/90000 s, which decoders of H.264 make a millisecond, or for no time at all.
make last-frame-short.mp4 -i rate-25.mp4 -an -c copy -video_track_timescale 90000 \
  -bsf:v "setts=duration=if(eq(N\\,39)\\,1\\,DURATION)"
make rate-25-jpeg.mp4 -i rate-25.mp4 -an -c:v mjpeg -q:v 2 -video_track_timescale 90000
make last-frame-short-jpeg.mp4 -i rate-25-jpeg.mp4 -c copy -bsf:v "setts=duration=if(eq(N\\,39)\\,1\\,DURATION)"
write last-frame-instant.mp4 env LC_ALL=C sed 's/\x01\(\x00\x00\x00.stsc\)/\x00\1/' last-frame-short-jpeg.mp4
make seconds-2.mkv -i "$face" -i "$speech" -map 0:v -map 1:a -frames:v 74 -c:v ffv1 -g 1 -c:a flac
make for-cutting.mp4 -i rate-25.mp4 -c copy -movflags +faststart
write cut-off.mp4 head -c $(($(stat -c %s for-cutting.mp4) / 2)) for-cutting.mp4
write cut-off-head.mp4 head -c $(($(stat -c %s rate-25.mp4) / 2)) rate-25.mp4
write not-media.mp4 printf 'This is no video, whatever its name says.\n%.0s' {1..100}
write empty.mp4 :

# Streams that begin late, in containers that name no stream before it begins; and some that lack one.
test=(-f lavfi -i "testsrc2=s=64x64:r=25:d=2" -f lavfi -i "sine=d=2:r=48000")
test_later=(-itsoffset 1 "${test[@]:0:4}" -itsoffset 1 "${test[@]:4:4}")
for form in "flv -c:v libx264 -preset ultrafast -c:a aac" "mpg -c:v mpeg2video -q:v 3 -c:a mp2" \
  "ts -c:v mpeg2video -q:v 3 -c:a mp2"; do
  read -r extension codecs <<<"$form"
  read -ra codecs <<<"$codecs"
  make "both.$extension" "${test[@]}" "${codecs[@]}"
  make "late-audio.$extension" "${test[@]}" -itsoffset 1 "${test[@]:4:4}" -map 0:v -map 2:a "${codecs[@]}"
  make "late-video.$extension" "${test[@]}" -itsoffset 1 "${test[@]:0:4}" -map 2:v -map 1:a -fps_mode passthrough "${codecs[@]}"
  make "no-audio.$extension" "${test[@]}" -an "${codecs[@]}"
  make "no-video.$extension" "${test[@]}" -vn "${codecs[@]}"
done

# Parts that differ, one behind the other in one file: piece NAME OFFSET FFMPEG-ARGUMENTS..., then joined.
piece() {
  local name=$1 offset=$2
  shift 2
  make "piece-$name.ts" -f lavfi -i "testsrc2=s=192x144:r=25:d=2" -f lavfi -i "sine=d=2:r=48000" "$@" -c:a mp2 \
    -output_ts_offset "$offset"
}
mpeg2=(-c:v mpeg2video -q:v 3)
piece narrow 0 -vf setdar=4/3 "${mpeg2[@]}"
piece wide 2 -vf setdar=16/9 "${mpeg2[@]}"
piece wide-first 0 -vf setdar=16/9 "${mpeg2[@]}"
piece narrow-again 4 -vf setdar=4/3 "${mpeg2[@]}"
piece narrow-before 0 -vf setdar=4/3 "${mpeg2[@]}"
piece small 2 -vf scale=96:72,setdar=4/3 "${mpeg2[@]}"
piece large 2 -vf scale=384:288,setdar=4/3 "${mpeg2[@]}"
h264=(-c:v libx264 -preset ultrafast -bf 0 -g 25)
piece 420 0 "${h264[@]}" -pix_fmt yuv420p
piece 444 2 "${h264[@]}" -pix_fmt yuv444p
piece 420-10 2 "${h264[@]}" -pix_fmt yuv420p10le
piece 420-10-first 0 "${h264[@]}" -pix_fmt yuv420p10le
piece 420-then 2 "${h264[@]}" -pix_fmt yuv420p
piece mono 0 -ac 1 "${mpeg2[@]}"
piece stereo 2 -ac 2 -ar 44100 "${mpeg2[@]}"
joined() {
  local name=$1
  shift
  write "$name" cat "${@/%/.ts}"
}
joined aspect-wider.ts piece-{narrow,wide}
joined aspect-narrower.ts piece-wide-first piece-large
joined aspect-back.ts piece-{narrow,wide,narrow-again}
joined size-smaller.ts piece-{narrow,small}
joined size-larger.ts piece-{narrow,large}
joined chroma-more.ts piece-{420,444}
joined depth-more.ts piece-{420,420-10}
joined depth-less.ts piece-{420-10-first,420-then}
joined sound-more.ts piece-{mono,stereo}
joined clock-back.ts piece-wide piece-narrow-before
joined codec.ts piece-{narrow,444}
make size-change.mkv -i size-larger.ts -c copy

# Times that do not ascend, a rate that is not the real one, fields, full range, pictures.
make equal-times.mkv -i "$face" -frames:v 24 -c:v ffv1 -c:a flac -shortest -bsf:v "setts=ts=floor(N/3)*120"
make descending-times.mkv -i "$face" -frames:v 24 -c:v ffv1 -c:a flac -shortest \
  -bsf:v "setts=ts=if(eq(mod(N\,5)\,4)\,N*40-100\,N*40)"
make jump-back.mkv -i "$face" -frames:v 48 -c:v ffv1 -c:a flac -shortest -bsf:v "setts=ts=if(lt(N\,30)\,N*40\,(N-30)*40)"
for rate in 1000 50 5; do
  make "declared-$rate.h264" -r "$rate" -i "$face" -an -frames:v 40 "${h264[@]}"
  make "declared-$rate.ts" -framerate 25 -i "declared-$rate.h264" -i "$speech" -map 0:v -map 1:a -t 1.6 -c:v copy -c:a aac \
    -bsf:v "setts=ts=N*3600"
done
for order in tff bff; do
  make "fields-$order.ts" -t 0.6 -i "$face" -t 0.6 -i "$speech" -map 0:v -map 1:a -vf "fps=50,interlace=scan=$order" \
    -c:v mpeg2video -flags +ildct+ilme -q:v 2 -c:a mp2
  make "fields-$order.mov" -t 0.6 -i "$face" -t 0.6 -i "$speech" -map 0:v -map 1:a -vf "fps=50,interlace=scan=$order" \
    -c:v prores_ks -flags +ildct+ilme -c:a pcm_s16le
done
full=(-f lavfi -t 0.4 -i "testsrc2=s=128x128:r=25,format=yuvj420p" -f lavfi -t 0.4 -i sine=r=48000
  -color_range pc -colorspace bt709 -color_primaries bt709 -color_trc bt709)
make full-range.mp4 "${full[@]}" "${h264[@]}" -c:a aac
make full-range.mov "${full[@]}" "${h264[@]}" -c:a aac
make full-range-hevc.mp4 "${full[@]}" -c:v libx265 -preset ultrafast -x265-params log-level=0 -c:a aac
for form in png jpg webp bmp tiff gif; do
  make "picture.$form" -i "$face" -frames:v 1 -update 1
done
