"""A Ray cluster on loopback whose GPUs are counted and not there; says what lives on it, a line of JSON a change.

The head has no GPU. Ends when its standard input closes.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

WORKERS = 2
GPUS_OF_A_WORKER = 2
_SECONDS_BETWEEN_LOOKS = 0.1


def main() -> None:
    """Start the cluster, and tell of it until nobody listens."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 0})
    try:
        for _ in range(WORKERS):
            cluster.add_node(num_cpus=2, num_gpus=GPUS_OF_A_WORKER)
        ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
        _tell({"address": cluster.address})
        ended = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
        _watch(ended)
    finally:
        ray.shutdown()
        cluster.shutdown()


def _watch(ended: threading.Event) -> None:
    import ray
    from ray._private.state import actors

    last: dict[str, Any] = {}
    while not ended.wait(_SECONDS_BETWEEN_LOOKS):
        alive = [one for one in actors().values() if one["ActorClassName"] == "RankActor" and one["State"] == "ALIVE"]
        seen = {"ranks": len(alive), "free_gpus": ray.available_resources().get("GPU", 0.0)}
        if seen != last:
            _tell(seen)
            last = seen


def _tell(said: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
