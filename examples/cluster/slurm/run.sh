#!/usr/bin/env bash
# Lip-syncs one long clip on a Slurm cluster: plans it here, makes the shards in an array job and joins them in a job
# that waits for the array. Options after -- go to latentsync-transcode (--audio FILE, --preset NAME, --set ...).
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: run.sh INPUT OUTPUT [--shards N] [--at-once N] [--sbatch OPTION]... [-- OPTION...]

  --shards N       parts of the clip (default 64); four times the number of GPUs is a good one
  --at-once N      most shards that run together (default: as many as Slurm starts)
  --sbatch OPTION  for both jobs, such as --sbatch=--partition=gpu or --sbatch=--gpus=1

The plan and the parts are written beside OUTPUT, which every node has to see. Prints the ids of both jobs.
TEXT
}

here=$(cd "$(dirname "$0")" && pwd)
shards=64 limit='' sbatch=() files=()
while [ $# -gt 0 ]; do
  case $1 in
    --shards) shards=${2:?--shards needs a number}; shift ;;
    --at-once) limit=%${2:?--at-once needs a number}; shift ;;
    --sbatch) sbatch+=("${2:?--sbatch needs an option}"); shift ;;
    --sbatch=*) sbatch+=("${1#--sbatch=}") ;;
    -h | --help) usage; exit 0 ;;
    --) shift; break ;;
    -*) usage >&2; exit 2 ;;
    *) files+=("$1") ;;
  esac
  shift
done
[ ${#files[@]} = 2 ] || { usage >&2; exit 2; }
output=$(realpath -m "${files[1]}")
plan=$output.plan.json

latentsync-transcode "${files[0]}" "$@" --plan-shards "$shards" -o "$plan"
array=$(sbatch --parsable "${sbatch[@]}" --array="0-$((shards - 1))$limit" --output="$output.shard-%a.log" \
  "$here/shard.sbatch" "$plan")
join=$(sbatch --parsable "${sbatch[@]}" --dependency="afterok:${array%%;*}" --kill-on-invalid-dep=yes \
  --output="$output.join.log" "$here/join.sbatch" "$plan" "$output")
echo "array job ${array%%;*}, joining job ${join%%;*}"
