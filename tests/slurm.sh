#!/usr/bin/env bash
# A SLURM on this machine alone, for tests: root on Debian. `slurm.sh start` installs and starts it; `slurm.sh stop` ends it.
# Everything listens on 127.0.0.1. A SLURM that answers already is used as it is, and is not stopped.
set -euo pipefail
here=${SLURM_HERE:-/tmp/alliance-sim-slurm}

skip() {
  echo "slurm.sh: $1; tests on a real SLURM are skipped"
  exit 0
}

install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  local apt=(apt-get -qq -o DPkg::Lock::Timeout=180)
  { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends slurm-wlm munge; } >"$here/apt.log" 2>&1
}

write_config() {
  local memory
  memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
  mkdir -p /etc/slurm "$here"/{state,spool}
  # proctrack/pgid ends what a job left in the background, task/affinity shows a job its own cores only, and FORCE:4 lets a
  # driver and several workers share few cores. KillWait is short, so that tests need not wait.
  cat >/etc/slurm/slurm.conf <<CONF
# Written by tests/slurm.sh
ClusterName=tests
SlurmctldHost=localhost(127.0.0.1)
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
StateSaveLocation=$here/state
SlurmdSpoolDir=$here/spool
SlurmctldPidFile=$here/slurmctld.pid
SlurmdPidFile=$here/slurmd.pid
SlurmctldLogFile=$here/slurmctld.log
SlurmdLogFile=$here/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/affinity
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
ReturnToService=2
KillWait=2
MinJobAge=300
MaxArraySize=10001
NodeName=localhost NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
CONF
}

start() {
  sinfo -h >/dev/null 2>&1 && { echo "slurm.sh: a SLURM answers already; it is used as it is"; exit 0; }
  [ "$(id -u)" = 0 ] || skip "not root"
  command -v apt-get >/dev/null || skip "no apt"
  grep -qs -v '^# Written by tests/slurm.sh' <(head -1 /etc/slurm/slurm.conf 2>/dev/null) && skip "another SLURM is configured here"
  mkdir -p "$here"
  command -v slurmctld >/dev/null && command -v munged >/dev/null || install_packages || skip "it cannot be installed"
  write_config
  mkdir -p /run/munge
  chown munge:munge /run/munge
  [ -s /etc/munge/munge.key ] || { mungekey --create && chown munge:munge /etc/munge/munge.key; } || skip "munge has no key"
  # Whether they run is seen below.
  runuser -u munge -- /usr/sbin/munged --pid-file=/run/munge/munged.pid || true
  slurmctld || true
  slurmd -N localhost || true
  for _ in $(seq 100); do
    sinfo -h -o %T 2>/dev/null | grep -qE 'idle|mixed|alloc' && { sinfo; exit 0; }
    sleep 0.2
  done
  skip "it did not start, see $here"
}

stop() {
  # Only what `start` has started has its numbers here.
  [ -f "$here/slurmctld.pid" ] || exit 0
  scancel --user=root 2>/dev/null || true
  for file in "$here/slurmd.pid" "$here/slurmctld.pid" /run/munge/munged.pid; do
    if [ -f "$file" ]; then kill "$(cat "$file")" 2>/dev/null || true; fi
  done
  for _ in $(seq 50); do
    if ! kill -0 "$(cat "$here/slurmctld.pid" 2>/dev/null || echo 0x)" 2>/dev/null; then break; fi
    sleep 0.2
  done
  rm -rf "$here" /etc/slurm/slurm.conf
}

case "${1:-}" in
start | stop) "$1" ;;
*) echo "usage: slurm.sh start|stop" >&2; exit 2 ;;
esac
