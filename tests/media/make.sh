#!/usr/bin/env bash
# Small files of every kind that the command line meets, made from the sample clips: make.sh FOLDER.
# Each has a face and takes a second or two to decode. Needs ffmpeg; nothing is done twice.
set -euo pipefail
folder=${1:?usage: make.sh FOLDER}
clips=$(cd "$(dirname "$0")/../../examples/media" && pwd)
mkdir -p "$folder"
cd "$folder"
face=$clips/grid_drp-m.mp4
speech=$clips/grid_s1_sbwh7s.mp4
x264=(-c:v libx264 -preset ultrafast -crf 12 -g 12)

# make NAME FFMPEG-ARGUMENTS...: written under another name and renamed when whole.
make() {
  local name=$1
  shift
  [ ! -e "$name" ] || return 0
  ffmpeg -nostdin -v error -y "$@" "partial.$name"
  mv "partial.$name" "$name"
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
[ -e last-frame-instant.mp4 ] ||
  LC_ALL=C sed 's/\x01\(\x00\x00\x00.stsc\)/\x00\1/' last-frame-short-jpeg.mp4 >last-frame-instant.mp4
make seconds-2.mkv -i "$face" -i "$speech" -map 0:v -map 1:a -frames:v 74 -c:v ffv1 -g 1 -c:a flac
make for-cutting.mp4 -i rate-25.mp4 -c copy -movflags +faststart
[ -e cut-off.mp4 ] || head -c $(($(stat -c %s for-cutting.mp4) / 2)) for-cutting.mp4 >cut-off.mp4
[ -e cut-off-head.mp4 ] || head -c $(($(stat -c %s rate-25.mp4) / 2)) rate-25.mp4 >cut-off-head.mp4
[ -e not-media.mp4 ] || printf 'This is no video, whatever its name says.\n%.0s' {1..100} >not-media.mp4
[ -e empty.mp4 ] || : >empty.mp4
