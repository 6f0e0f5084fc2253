#!/usr/bin/env bash
# Slurm: runs Ray on the nodes of one allocation, and a sweep on it. See docs/how-to/slurm.md.
#   sbatch clusters/slurm.sh text --name text --store /shared/store
# Every value to change is marked CHANGE.
#SBATCH --job-name=xstilts
#SBATCH --nodes=3                     # CHANGE
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8             # CHANGE
#SBATCH --gpus-per-node=1             # CHANGE: delete this line if the nodes have no GPU
#SBATCH --time=24:00:00               # CHANGE: time of one run of the job; see `most_restarts`
#SBATCH --signal=B:TERM@180           # Slurm signals only this script before the time is up; it then stops the sweep
#SBATCH --requeue                     # the job can be re-queued, by this script or after the loss of a node
#SBATCH --open-mode=append            # each run appends to the same slurm-JOB.out
set -euo pipefail
project=${XSTILTS_PROJECT:-$HOME/xstilts}   # CHANGE: the project, installed, on a disk that all nodes share
most_restarts=20                            # CHANGE: this and --time limit the cost of the job
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
ulimit -n "$(ulimit -Hn)"   # Ray opens many sockets and files; srun sets the same limit on the other nodes
[ -e ~/.ray/auth_token ] || ray get-auth-token --generate >/dev/null

restarts=${SLURM_RESTART_COUNT:-0}
cpus=${SLURM_CPUS_PER_TASK:-1}
gpus=${SLURM_GPUS_ON_NODE:-0}
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${SLURMD_NODENAME:-${nodes[0]}}   # the node of this script: a sweep needs a Ray process on its own host

# Each step names its CPUs and GPUs: since Slurm 22.05 srun ignores the job's --cpus-per-task and gives a step one CPU.
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
  sleep 2 & wait $! || true   # a signal interrupts `wait`, but not `sleep`
done
for node in "${nodes[@]}"; do
  [ "$node" = "$head" ] || "${step[@]}" -w "$node" "${ray_start[@]}" "--address=$address:$port" &
done

# The sweep is a child of this script, not a step: at SIGTERM srun kills its tasks before they save a checkpoint.
code=143
if [ "$is_asked" = no ]; then
  again=()
  [ "$restarts" -eq 0 ] || again=(--take-over)   # the previous run may have ended with its node
  RAY_ADDRESS="$address:$port" xstilts search "$@" "${again[@]}" &
  sweep=$!
  [ "$is_asked" = no ] || kill -TERM "$sweep" 2>/dev/null || true   # the signal came before `sweep` was set
  code=0
  wait "$sweep" || code=$?
  while kill -0 "$sweep" 2>/dev/null; do   # a signal interrupted `wait`; the sweep still runs
    wait "$sweep" || true
  done
  if [ "$is_asked" = yes ]; then
    code=0
    wait "$sweep" || code=$?   # the exit code of the sweep, which bash remembers
  fi
fi

# Exit code 3: the sweep stopped at the signal. Above 128: a signal killed it. 0: complete. 1: failed. 2: wrong input.
if [ "$is_asked" = no ] || { [ "$code" -ne 3 ] && [ "$code" -le 128 ]; }; then
  exit "$code"
fi
if [ "$restarts" -ge "$most_restarts" ]; then
  echo "The job has had $restarts restarts, and $most_restarts are allowed: run the same sbatch to continue." >&2
  exit "$code"
fi
state=$(scontrol show job "$SLURM_JOB_ID" | grep -o 'JobState=[A-Z_]*' || true)
if [ -n "$state" ] && [ "$state" != JobState=RUNNING ]; then
  echo "Slurm is ending the job ($state), so it is not re-queued: run the same sbatch to continue the sweep." >&2
  exit "$code"   # scancel sends the signal too
fi
if ! scontrol requeue "$SLURM_JOB_ID"; then
  echo "Slurm did not re-queue job $SLURM_JOB_ID: run the same sbatch to continue the sweep." >&2
  exit "$code"
fi
