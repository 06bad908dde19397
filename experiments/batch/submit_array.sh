#!/usr/bin/env bash
# Submit an experiment as a job array, and the merge of its shards after it:
#   experiments/batch/submit_array.sh NAME SHARDS [key=value ...]      NAME of +experiment=NAME, or "single"
# SBATCH_FLAGS holds options of your cluster: SBATCH_FLAGS="--account=xyz --time=08:00:00"
set -euo pipefail
if [ $# -lt 2 ]; then sed -n '2,4s/^# //p' "$0"; exit 2; fi
name=$1 shards=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
out=results/$name.zarr
if [ -e "$out" ]; then echo "$out is there already: the merge needs a new place, move or remove it" >&2; exit 2; fi
experiment=()
[ "$name" = single ] || experiment=("+experiment=$name")
# The plan of one share; bad input ends here, not once in every task, and the kernel is compiled once.
"${PYTHON:-python}" -m sim.run "${experiment[@]}" "$@" "shard=1/$shards" plan=true
# shellcheck disable=SC2086
job=$(SHARDS=$shards sbatch ${SBATCH_FLAGS:-} --parsable --array="1-$shards" "$here/array.sbatch" "${experiment[@]}" "$@")
# shellcheck disable=SC2086
after=$(sbatch ${SBATCH_FLAGS:-} --parsable --dependency="afterok:${job%%;*}" --kill-on-invalid-dep=yes \
  "$here/merge.sbatch" "results/$name" "$shards")
echo "array $job, merged by $after into $out"
