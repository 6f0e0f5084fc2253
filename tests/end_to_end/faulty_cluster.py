"""A Ray cluster on loopback, one host of which has variables of its own; says its address and that host's node.

Ends when its standard input closes.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    """Start the cluster that the first argument describes, as JSON: the resources of each host, and variables."""
    import ray
    from ray.cluster_utils import Cluster

    asked: dict[str, Any] = json.loads(sys.argv[1])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        *hosts, last = asked["hosts"]
        for resources in hosts:
            cluster.add_node(**resources)
        faulty = cluster.add_node(**last, env_vars=asked["variables"])
        ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
        sys.stdout.write(json.dumps({"address": cluster.address, "faulty": faulty.node_id}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main()
