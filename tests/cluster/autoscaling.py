"""Runs on a host: a Ray cluster whose autoscaler adds and removes hosts, and says how many there are, a line a change.

The hosts are raylets on this one: Ray's own stand-in for a cloud (`fake_multinode`); its autoscaler is the real one.
Ends with the host.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from search.cluster.ray_imports import make_token, ray_module

LARGEST = 2
IDLE_MINUTES = 0.05
_SECONDS_BETWEEN_LOOKS = 0.5

_CONFIG = {
    "cluster_name": "growing",
    "max_workers": LARGEST,
    "idle_timeout_minutes": IDLE_MINUTES,
    "upscaling_speed": 1.0,
    "provider": {
        "type": "fake_multinode",
        "use_node_id_as_ip": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
    },
    "head_node_type": "head",
    "available_node_types": {
        "head": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "gpu": {"resources": {"CPU": 1, "GPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": LARGEST},
    },
    **{key: {} for key in ("auth", "docker", "file_mounts")},
    **{key: [] for key in ("initialization_commands", "setup_commands", "cluster_synced_files")},
    **{f"{kind}_{what}": [] for kind in ("head", "worker") for what in ("setup_commands", "start_ray_commands")},
    **{key: [] for key in ("rsync_exclude", "rsync_filter")},
    "file_mounts_sync_continuously": False,
}


def main() -> None:
    """Start the cluster, say how many hosts are there beside the head, until the host ends."""
    make_token()
    config = Path("growing.json")
    config.write_text(json.dumps(_CONFIG))
    ray = ray_module("ray")
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--num-cpus=0"]
    command += [f"--autoscaling-config={config.resolve()}", "--include-dashboard=false"]
    settings = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
    subprocess.run(command, env=os.environ | settings, stdout=sys.stderr, check=True)
    ray.init("auto", log_to_driver=False, logging_level="ERROR")
    last = -1
    while True:
        num = sum(node["Alive"] and node["Resources"].get("CPU", 0) > 0 for node in ray.nodes())
        if num != last:
            sys.stdout.write(f"{num}\n")
            sys.stdout.flush()
            last = num
        time.sleep(_SECONDS_BETWEEN_LOOKS)


if __name__ == "__main__":
    main()
