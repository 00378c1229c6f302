#!/usr/bin/env bash
# Slurm on this machine alone, for a test: slurm_node.sh start FOLDER prints the value of SLURM_CONF, slurm_node.sh stop
# FOLDER ends it. Needs root. Exit status 77: it cannot run here; standard error says why.
set -euo pipefail

missing() {
  echo "slurm_node.sh: $*" >&2
  exit 77
}

start() {
  local tool name port
  [ "$(id -u)" = 0 ] || missing "not root"
  for tool in munged slurmctld slurmd sbatch; do command -v $tool >/dev/null || missing "$tool is not installed"; done
  mkdir -p "$folder"/{state,spool}
  chmod 755 "$folder"
  name=$(hostname -s)
  # Beside those of tests/gst, and below those that the system gives.
  port=$((31300 + $$ % 700 * 2))
  (umask 077 && head -c 128 /dev/urandom >"$folder/munge.key")
  # Requeued jobs may begin when the credentials of their first start have expired.
  cat >"$folder/slurm.conf" <<TEXT
ClusterName=test
SlurmctldHost=$name(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,batch_sched_delay=0
KillWait=5
ReturnToService=2
NodeName=$name NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=$name Default=YES MaxTime=INFINITE State=UP
TEXT
  munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munge.pid" \
    --log-file="$folder/munge.log" --seed-file="$folder/munge.seed" >&2 || missing "munged does not start"
  export SLURM_CONF=$folder/slurm.conf
  slurmctld >&2 && slurmd >&2 || { stop; missing "Slurm does not start: $(tail -n 1 "$folder"/slurm*.log)"; }
  for _ in $(seq 100); do
    case $(sinfo -h -o %t 2>/dev/null) in idle) echo "$SLURM_CONF"; return ;; esac
    sleep 0.1
  done
  stop
  missing "its node does not become idle: $(tail -n 1 "$folder/slurmd.log")"
}

stop() {
  local daemon
  for daemon in slurmd slurmctld munge; do
    [ ! -s "$folder/$daemon.pid" ] || kill "$(cat "$folder/$daemon.pid")" 2>/dev/null || true
  done
}

folder=$(realpath -m "${2:?a folder is missing}")
case ${1:-} in
  start) start ;;
  stop) stop ;;
  *) sed -n '2,3p' "$0" >&2; exit 2 ;;
esac
