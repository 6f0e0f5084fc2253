#!/usr/bin/env bash
# Slurm: Ray on the nodes of one allocation, and a sweep on it. docs/how-to/slurm.md walks through it.
#   sbatch clusters/slurm.sh text --name text --store /shared/store
# Every value to change is marked CHANGE.
#SBATCH --job-name=xstilts
#SBATCH --nodes=3                     # CHANGE
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8             # CHANGE
#SBATCH --gpus-per-node=1             # CHANGE: take the line out where nodes have none
#SBATCH --time=24:00:00               # CHANGE: one turn; `most_restarts` says how many there can be
#SBATCH --signal=B:TERM@180           # this script alone is told before the time is up, and stops the sweep in order
#SBATCH --requeue                     # the job may be put back into the queue, by this script or after a node was lost
#SBATCH --open-mode=append            # each turn writes on in the same slurm-JOB.out
set -euo pipefail
project=${XSTILTS_PROJECT:-$HOME/xstilts}   # CHANGE: the project, installed, on a disk that all nodes share
most_restarts=20                            # CHANGE: this and --time cap what the job costs
seconds_to_start=300

is_asked=no sweep=''
ask_to_stop() {
  is_asked=yes
  [ -z "$sweep" ] || kill -TERM "$sweep" 2>/dev/null || true
}
trap ask_to_stop TERM

# shellcheck source=/dev/null
. "$project/.venv/bin/activate"
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
ulimit -n "$(ulimit -Hn)"   # Ray opens many sockets and files; srun hands the limit on to the other nodes
[ -e ~/.ray/auth_token ] || ray get-auth-token --generate >/dev/null

restarts=${SLURM_RESTART_COUNT:-0}
cpus=${SLURM_CPUS_PER_TASK:-1}
gpus=${SLURM_GPUS_ON_NODE:-0}
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${SLURMD_NODENAME:-${nodes[0]}}   # where this script runs: a sweep needs a Ray process on its own host

# CPUs and GPUs are said again: since Slurm 22.05 srun does not take --cpus-per-task from the job, and gives a step one.
step=(srun --nodes=1 --ntasks=1 --overlap "--cpus-per-task=$cpus")
[ "$gpus" -eq 0 ] || step+=("--gpus-per-node=$gpus")
ray_start=(ray start "--num-cpus=$cpus" "--num-gpus=$gpus" --block)

address=$("${step[@]}" -w "$head" hostname --ip-address | awk '{print $1}')
port=$((20000 + SLURM_JOB_ID % 20000))
"${step[@]}" -w "$head" "${ray_start[@]}" --head "--node-ip-address=$address" "--port=$port" \
  --dashboard-host=127.0.0.1 &
ray_head=$!
until [ "$is_asked" = yes ] || ray status "--address=$address:$port" >/dev/null 2>&1; do
  if ! kill -0 "$ray_head" 2>/dev/null || [ "$SECONDS" -gt "$seconds_to_start" ]; then
    echo "Ray did not start on $head at $address:$port within $seconds_to_start s; its output above says why." >&2
    exit 1
  fi
  sleep 2 & wait $! || true   # a signal ends `wait`, not `sleep`
done
for node in "${nodes[@]}"; do
  [ "$node" = "$head" ] || "${step[@]}" -w "$node" "${ray_start[@]}" "--address=$address:$port" &
done

# The sweep is a child of this script, not a step: srun that gets SIGTERM kills its tasks, and no checkpoint is left.
code=143
if [ "$is_asked" = no ]; then
  again=()
  [ "$restarts" -eq 0 ] || again=(--take-over)   # the turn before may have ended with its node
  RAY_ADDRESS="$address:$port" xstilts search "$@" "${again[@]}" &
  sweep=$!
  [ "$is_asked" = no ] || kill -TERM "$sweep" 2>/dev/null || true   # it came before `sweep` was known
  code=0
  wait "$sweep" || code=$?
  while kill -0 "$sweep" 2>/dev/null; do   # a signal ended `wait`, not the sweep
    wait "$sweep" || true
  done
  if [ "$is_asked" = yes ]; then
    code=0
    wait "$sweep" || code=$?   # what it ended with; bash remembers it
  fi
fi

# 3: it stopped in order. Above 128: a signal ended it. Else it is complete (0), failed (1) or was given wrongly (2).
if [ "$is_asked" = no ] || { [ "$code" -ne 3 ] && [ "$code" -le 128 ]; }; then
  exit "$code"
fi
if [ "$restarts" -ge "$most_restarts" ]; then
  echo "The job has had $restarts restarts, and $most_restarts are allowed: the same sbatch continues the sweep." >&2
  exit "$code"
fi
state=$(scontrol show job "$SLURM_JOB_ID" | grep -o 'JobState=[A-Z_]*' || true)
if [ -n "$state" ] && [ "$state" != JobState=RUNNING ]; then
  echo "Slurm is ending the job ($state): it is not put back; the same sbatch continues the sweep." >&2
  exit "$code"   # scancel sends the signal too
fi
if ! scontrol requeue "$SLURM_JOB_ID"; then
  echo "Slurm did not put job $SLURM_JOB_ID back into the queue: the same sbatch continues the sweep." >&2
  exit "$code"
fi
