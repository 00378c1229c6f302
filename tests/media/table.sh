#!/usr/bin/env bash
# Makes one file of table.txt, unless it is there: table.sh FOLDER FILE ARGUMENTS, the last as the table has them. Needs ffmpeg.
set -euo pipefail
folder=${1:?usage: table.sh FOLDER FILE ARGUMENTS}
clips=$(cd "$(dirname "$0")/../../examples/media" && pwd)
mkdir -p "$folder"
face=$clips/grid_drp-m.mp4
clip=$folder/clip.mp4
speech=$folder/speech.wav

# make NAME ARGUMENTS...: written under another name and renamed when whole.
make() {
  local file=$folder/$1
  shift
  [ ! -e "$file" ] || return 0
  local partial=$folder/$$.${file##*/}
  ffmpeg -nostdin -v error -y "$@" "$partial"
  mv "$partial" "$file"
}

make speech.wav -i "$clips/grid_s1_sbwh7s.mp4" -vn
make clip.mp4 -i "$face" -i "$speech" -map 0:v -map 1:a -vf scale=96:96 -frames:v 25 -t 1 -c:v libx264 -preset ultrafast -c:a aac
# The arguments have no quotes; a bar is BAR, since the table has it between its columns.
arguments=${3//BAR/|}
arguments=${arguments//\$clip/$clip}
arguments=${arguments//\$speech/$speech}
read -r -a words <<<"$arguments"
make "$2" "${words[@]}"
