"""Keeps a sweep's trials away from hosts and GPUs that failed too often.

`record.device_faults` computes which hosts and GPUs are quarantined; this module enforces it in Ray. A host is avoided
by its label: every bundle of a trial's placement group requests a node that is not quarantined. Ray Tune compares this
request before it reuses an actor, so an actor on a quarantined host is not used again. A single GPU has no label: an
actor of this module takes the GPU as soon as it is free, and holds it.

The last place where a trial fits is never quarantined: trials fail there, and report why.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any  # Any: Ray's handles, references and nodes are untyped

import ray
from ray import tune
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from search.driver.cluster_hosts import host_of
from search.driver.ray_group import names_of_hosts
from search.record import QuarantinedPlace
from trainables.ranks.devices import HostResources

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 5.0
SECONDS_TO_TAKE = 10.0
"""Seconds to wait for free GPUs of a host, until the GPU to hold is among them. Other GPUs are released again."""

NODE_ID = "ray.io/node-id"
"""Ray's label that holds the node id of a host."""


class Quarantine:
    """The hosts and GPUs on which no trial is placed.

    Args:
        places: Returns the quarantined hosts and GPUs, from the record.
        resources: Placement group of a trial if nothing is quarantined.
        fits: Returns whether a trial fits on the remaining hosts, or on hosts that may join.
        clock: Returns a monotonic time in seconds.
    """

    def __init__(
        self,
        *,
        places: Callable[[], Sequence[QuarantinedPlace]],
        resources: tune.PlacementGroupFactory,
        fits: Callable[[Sequence[HostResources]], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._places, self._all, self._fits, self._clock = places, resources, fits, clock
        self._nodes: frozenset[str] = frozenset()
        self._gpus: dict[tuple[str, str], _Hold] = {}
        self._warned: set[str] = set()
        self._looked = float("-inf")
        self.resources = resources
        """Placement group of a trial, without the quarantined hosts."""

    def refresh(self, *, at_once: bool = False) -> bool:
        """Read the record, and return whether trials are now placed on other hosts or GPUs than before.

        Args:
            at_once: Whether to read the record even if it was read in the last SECONDS_BETWEEN_LOOKS.
        """
        if not at_once and self._clock() - self._looked < SECONDS_BETWEEN_LOOKS:
            return False
        self._looked = self._clock()
        places = self._places()
        if not places and not self._nodes and not self._gpus:
            return False
        before, before_gpus = self._nodes, set(self._gpus)
        nodes = [node for node in ray.nodes() if node["Alive"]]
        names = names_of_hosts(nodes)
        self._nodes = frozenset()
        self._release_others({(place.host, place.gpu) for place in places}, names=names)
        for place in places:
            for node in nodes:
                if names[node["NodeID"]] == place.host:
                    self._exclude(place, node=node, nodes=nodes)
        for hold in self._gpus.values():
            hold.advance(now=self._clock())
        if self._nodes != before:
            self.resources = _avoiding(self._nodes, resources=self._all)
        return self._nodes != before or set(self._gpus) != before_gpus

    def remaining(self, nodes: Sequence[Mapping[str, Any]]) -> list[HostResources]:
        """Return the resources of hosts without those that are quarantined.

        Args:
            nodes: Hosts that are alive, as `ray.nodes()` returns them.
        """
        held = [node for node, _ in self._gpus]
        return [
            _without_gpus(host_of(node["Resources"]), num=held.count(node["NodeID"]))
            for node in nodes
            if node["NodeID"] not in self._nodes
        ]

    def close(self) -> None:
        """Release the GPUs that are held."""
        for hold in self._gpus.values():
            hold.release()
        self._gpus.clear()

    def _exclude(self, place: QuarantinedPlace, *, node: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> None:
        """Quarantine a host or GPU, unless no other place has room for a trial."""
        key = (node["NodeID"], place.gpu or "")
        if place.gpu is not None and key in self._gpus:
            return
        was_nodes, was_gpus = self._nodes, dict(self._gpus)
        if place.gpu is None:
            self._nodes |= {node["NodeID"]}
        else:
            num_gpus = int(node["Resources"].get("GPU", 0))
            self._gpus[key] = _Hold(node=node["NodeID"], gpu=place.gpu, num_gpus=num_gpus)
        if not self._fits(self.remaining(nodes)):
            self._nodes, self._gpus = was_nodes, was_gpus
            self._warn_once(
                f"not quarantined: {place}. No other host or GPU has room for a trial, so trials still start there: "
                "repair it, or add hosts"
            )
            return
        self._warn_once(f"quarantined: {place}. This sweep starts no more trials there")

    def _release_others(self, places: set[tuple[str, str | None]], *, names: Mapping[str, str]) -> None:
        """Release held GPUs that are not in `places`: no longer quarantined, or their host is gone or quarantined."""
        for node, gpu in list(self._gpus):
            if (names.get(node, ""), gpu) not in places:
                self._gpus.pop((node, gpu)).release()

    def _warn_once(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            log.warning("%s", message)


@dataclass(slots=True, kw_only=True)
class _Hold:
    """Takes one GPU and holds it, so that no trial gets it.

    Ray gives an actor any free GPU of a host. So one actor is started for each GPU of the host; the actor that received
    the right GPU is kept, and the others end.
    """

    node: str
    gpu: str
    num_gpus: int
    holder: Any = None
    """The actor that holds the GPU."""
    _started: Mapping[Any, Any] | None = None
    """Reference to an actor's answer -> actor."""
    _since: float = 0.0

    def advance(self, *, now: float) -> None:
        """Start the actors, or check their answers; does not wait."""
        if self.holder is not None:
            return
        if self._started is None:
            self._started, self._since = dict(_start_holder(self.node) for _ in range(self.num_gpus)), now
            return
        done, _ = ray.wait(list(self._started), num_returns=len(self._started), timeout=0)
        given = {reference: self._started[reference] for reference in done if self.gpu in _gpus_of(reference)}
        self.holder = next(iter(given.values()), None)
        if self.holder is not None or len(done) == len(self._started) or now - self._since > SECONDS_TO_TAKE:
            self._end(actor for actor in self._started.values() if actor is not self.holder)
            self._started = None

    def release(self) -> None:
        """Release the GPU."""
        self._end([*(self._started or {}).values(), *([self.holder] if self.holder is not None else [])])

    @staticmethod
    def _end(actors: Any) -> None:
        for actor in actors:
            ray.kill(actor)


class GpuHolder:
    """The actor: holds a GPU, and does nothing with it."""

    def gpus(self) -> list[str]:
        """Return the numbers of its GPUs, as counted on its host."""
        return [str(gpu) for gpu in ray.get_gpu_ids()]


def _start_holder(node: str) -> tuple[Any, Any]:
    actor: Any = ray.remote(GpuHolder)
    there = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
    holder = actor.options(num_cpus=0, num_gpus=1, scheduling_strategy=there).remote()
    return holder.gpus.remote(), holder


def _gpus_of(reference: Any) -> list[str]:
    try:
        return ray.get(reference)
    except RayError:  # its host is gone, and the GPU with it
        return []


def _without_gpus(host: HostResources, *, num: int) -> HostResources:
    return HostResources(
        cpus=host.cpus,
        gpus=max(0.0, host.gpus - num),
        accelerator_types=host.accelerator_types,
        count=host.count,
    )


def _avoiding(nodes: Collection[str], *, resources: tune.PlacementGroupFactory) -> tune.PlacementGroupFactory:
    """Return a trial's placement group that uses other hosts than these."""
    bundles = resources.bundles
    head: list[dict[str, float]] = [{}] if resources.head_bundle_is_empty else []
    if not nodes:
        return tune.PlacementGroupFactory([*head, *bundles], strategy=resources.strategy)
    elsewhere = {NODE_ID: f"!in({','.join(sorted(nodes))})"}
    return tune.PlacementGroupFactory(
        [*head, *bundles], strategy=resources.strategy, bundle_label_selector=[elsewhere] * len(bundles)
    )
