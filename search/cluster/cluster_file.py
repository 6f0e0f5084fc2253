"""Reads a cluster file in the format of `ray up`, and checks it against Ray's schema before anything starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any  # Ray's configuration is a free-form dict

from search.cluster.ray_imports import ray_module, stdout_to_stderr
from search.errors import ClusterFileError
from trainables.config.yaml_file import read_yaml
from trainables.errors import near_matches

_LOCAL_PROVIDER = {"type", "head_ip", "worker_ips", "external_head_ip", "coordinator_address"}
"""Keys of Ray's `local` provider; Ray's own schema does not check them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFile:
    """A checked cluster file."""

    path: Path
    """Path of the file."""
    config: dict[str, Any]
    """Its content."""

    @property
    def name(self) -> str:
        """Name of the cluster."""
        return str(self.config["cluster_name"])

    @property
    def is_local(self) -> bool:
        """Whether the file names the hosts: machines of the user's own, which Ray does not rent."""
        return self.config["provider"]["type"] == "local"

    @property
    def num_hosts(self) -> int:
        """Number of hosts that the cluster starts with, including the head."""
        if self.is_local:
            workers = self.config["provider"]["worker_ips"]
            return 1 + min(self.config.get("min_workers", len(workers)), len(workers))
        types = self.config.get("available_node_types", {})
        return 1 + sum(kind.get("min_workers", 0) for kind in types.values())


def read_cluster_file(path: Path) -> ClusterFile:
    """Return the cluster file, checked.

    Raises:
        ClusterFileError: The file lacks a key, has an unknown key, or has a wrong value.
        YamlFileError: The file cannot be read.
    """
    config = read_yaml(path)
    if not isinstance(config, dict):
        raise ClusterFileError(path, "is not a mapping")
    for key in ("cluster_name", "provider"):
        if key not in config:
            raise ClusterFileError(path, f"lacks {key!r}")
    provider = config["provider"]
    if isinstance(provider, dict) and provider.get("type") == "local":
        for key in provider:
            if key not in _LOCAL_PROVIDER:
                near = near_matches(key, _LOCAL_PROVIDER)
                raise ClusterFileError(path, f"has an unknown key {key!r} in provider{near}")
    _check_by_ray(path, config)
    return ClusterFile(path=path, config=config)


def _check_by_ray(path: Path, config: dict[str, Any]) -> None:
    util = ray_module("ray.autoscaler._private.util")
    click = ray_module("click")
    jsonschema = ray_module("jsonschema")
    try:
        with stdout_to_stderr():
            util.validate_config(util.prepare_config(config))
    except jsonschema.ValidationError as error:
        where = ".".join(str(part) for part in error.absolute_path) or "the file"
        raise ClusterFileError(path, f"has a wrong value in {where}: {error.message}") from None
    except (ValueError, KeyError, RuntimeError, TypeError, AttributeError, click.ClickException) as error:
        raise ClusterFileError(path, f"is not accepted by Ray: {error}") from None
