"""Lists the hosts that Ray can use: those of its cluster, those that its autoscaler could add, or this machine."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # a cluster file is a free-form dict

import psutil
import ray
from ray._private import state
from ray._private.resource_and_label_spec import ResourceAndLabelSpec

from trainables.config.yaml_file import read_yaml
from trainables.errors import InputError
from trainables.ranks.devices import HostResources
from trainables.ranks.local_devices import gpu_bytes_here, is_rehearsal

_TYPE = "accelerator_type:"
"""Prefix of the resource whose name holds the model of a host's GPUs."""

_CONFIG_OPTION = "--autoscaling-config="
_MONITOR = "monitor.py"
_ANY = 1 << 20
"""Number of hosts where Ray sets no limit."""

_KUBERAY = "RAY_USAGE_STATS_KUBERAY_IN_USE"
"""Set in every pod of KubeRay, whose autoscaler does not publish its node types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterHosts:
    """The hosts that a sweep can use."""

    there: tuple[HostResources, ...]
    """Hosts that are alive."""
    may_join: tuple[HostResources, ...] = ()
    """Hosts that the autoscaler could add."""
    may_grow: bool = False
    """Whether the autoscaler could also add hosts that it does not publish."""


def cluster_hosts() -> ClusterHosts:
    """Return the hosts of the cluster that this process is connected to."""
    there = tuple(host_of(node["Resources"]) for node in ray.nodes() if node["Alive"])
    may_join = _hosts_from_gcs() or _hosts_from_cluster_file()
    return ClusterHosts(there=there, may_join=may_join, may_grow=_KUBERAY in os.environ)


def this_machine() -> ClusterHosts:
    """Return this machine with the resources that Ray would find on it. Ray is not started."""
    spec = ResourceAndLabelSpec().resolve(is_head=True, node_ip_address="127.0.0.1")
    counted = {name: float(amount) for name, amount in spec.to_resource_dict().items() if amount is not None}
    here = host_of(counted)
    if here.gpus and not is_rehearsal():
        here = dataclasses.replace(here, gpu_bytes=gpu_bytes_here())
    return ClusterHosts(there=(here,))


def host_of(resources: Mapping[str, float], *, count: int = 1) -> HostResources:
    """Return a host from its resources in Ray.

    Args:
        resources: Ray's name of a resource -> amount.
        count: Number of hosts with these resources.
    """
    types = frozenset(name.removeprefix(_TYPE) for name in resources if name.startswith(_TYPE))
    return HostResources(
        cpus=float(resources.get("CPU", 0.0)),
        gpus=float(resources.get("GPU", 0.0)),
        accelerator_types=types,
        count=count,
        memory_bytes=float(resources.get("memory", 0.0)),
    )


def _hosts_from_gcs() -> tuple[HostResources, ...]:
    config = state.state.get_cluster_config()
    if config is None:
        return ()
    groups = [group for group in config.node_group_configs if group.max_count]
    # -1 means no limit.
    return tuple(host_of(group.resources, count=group.max_count if group.max_count > 0 else _ANY) for group in groups)


def _hosts_from_cluster_file() -> tuple[HostResources, ...]:
    """Return the node types in the cluster file of the autoscaler that runs on this machine."""
    for line in _command_lines():
        path = next((word.removeprefix(_CONFIG_OPTION) for word in line if word.startswith(_CONFIG_OPTION)), None)
        if path and any(word.endswith(_MONITOR) for word in line):
            return node_types(Path(path).expanduser())
    return ()


def node_types(path: Path) -> tuple[HostResources, ...]:
    """Return the hosts that an autoscaler can add according to a cluster file.

    Args:
        path: The file, as `ray up` copied it to the head.
    """
    try:
        config: Any = read_yaml(path)  # `ray up` has checked it
    except InputError:
        return ()
    most = int(config.get("max_workers", 1))
    types = [(node, min(most, int(node.get("max_workers", most)))) for node in config["available_node_types"].values()]
    return tuple(host_of(node.get("resources") or {}, count=count) for node, count in types if count > 0)


def _command_lines() -> Iterable[list[str]]:
    for process in psutil.process_iter(["cmdline"]):
        yield process.info["cmdline"] or []
