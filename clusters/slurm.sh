#!/usr/bin/env bash
# Slurm: Ray on the nodes of one allocation, and a sweep on it. docs/how-to/slurm.md walks through it.
#   sbatch clusters/slurm.sh text --name text --store /shared/store
# Every value to change is marked CHANGE.
#SBATCH --job-name=xstilts
#SBATCH --nodes=3                     # CHANGE
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8             # CHANGE
#SBATCH --gpus-per-node=1             # CHANGE
#SBATCH --time=24:00:00               # CHANGE: this caps what it costs
#SBATCH --signal=B:TERM@120           # the sweep stops in order before the time is up; the same sbatch continues it
set -euo pipefail
project=${XSTILTS_PROJECT:-$HOME/xstilts}   # CHANGE: the project, installed, on a disk that all nodes share

# shellcheck source=/dev/null
. "$project/.venv/bin/activate"
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
[ -e ~/.ray/auth_token ] || ray get-auth-token --generate >/dev/null

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
address=$(srun --nodes=1 --ntasks=1 -w "$head" hostname --ip-address | awk '{print $1}')
port=$((20000 + SLURM_JOB_ID % 20000))

srun --nodes=1 --ntasks=1 -w "$head" --overlap \
  ray start --head --node-ip-address="$address" --port="$port" --dashboard-host=127.0.0.1 --block &
sleep 20
for node in "${nodes[@]:1}"; do
  srun --nodes=1 --ntasks=1 -w "$node" --overlap ray start --address="$address:$port" --block &
done

RAY_ADDRESS="$address:$port" srun --nodes=1 --ntasks=1 -w "$head" --overlap xstilts search "$@" &
sweep=$!
trap 'kill -TERM $sweep' TERM
wait "$sweep"
