"""Keeps a sweep's trials away from hosts and GPUs that failed too often.

The record says which those are (`record.device_faults`); this makes Ray keep to it. A host is left out by its label:
every bundle of a trial's placement group asks for a node that is none of those set apart. That is part of what Tune
compares before it gives a kept actor the next trial, so that none on such a host is used again. A single GPU has no
label: an actor of ours takes it, as soon as it is free, and holds it.

The last place where a trial fits is never set apart: its trials fail there, and say why.
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
from search.record import SetApart
from trainables.ranks.devices import HostResources

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 5.0
SECONDS_TO_TAKE = 10.0
"""How long the GPUs of a host are waited for, when one of them is to be held; those that are another are given back."""

NODE_ID = "ray.io/node-id"
"""Ray's label of a host: its node's id."""


class Quarantine:
    """Hosts and GPUs that no trial is placed on.

    Args:
        places: Returns what is set apart, from the record.
        resources: What a trial takes where nothing is set apart.
        fits: Tells whether a trial can be placed on the hosts that are left, or on some that may join.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        *,
        places: Callable[[], Sequence[SetApart]],
        resources: tune.PlacementGroupFactory,
        fits: Callable[[Sequence[HostResources]], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._places, self._all, self._fits, self._clock = places, resources, fits, clock
        self._nodes: frozenset[str] = frozenset()
        self._gpus: dict[tuple[str, str], _Hold] = {}
        self._told: set[str] = set()
        self._looked = float("-inf")
        self.resources = resources
        """What a trial takes, and where."""

    def look(self, *, at_once: bool = False) -> bool:
        """Take in what the record says by now; returns whether trials are placed otherwise than before.

        Args:
            at_once: Whether to look although the last look was a moment ago.
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
        self._give_back({(place.host, place.gpu) for place in places}, names=names)
        for place in places:
            for node in nodes:
                if names[node["NodeID"]] == place.host:
                    self._exclude(place, node=node, nodes=nodes)
        for hold in self._gpus.values():
            hold.pursue(now=self._clock())
        if self._nodes != before:
            self.resources = _away_from(self._nodes, resources=self._all)
        return self._nodes != before or set(self._gpus) != before_gpus

    def remaining(self, nodes: Sequence[Mapping[str, Any]]) -> list[HostResources]:
        """Return what hosts offer without what is set apart on them.

        Args:
            nodes: Hosts that are alive, as `ray.nodes()` tells them.
        """
        held = [node for node, _ in self._gpus]
        return [
            _without_gpus(host_of(node["Resources"]), num=held.count(node["NodeID"]))
            for node in nodes
            if node["NodeID"] not in self._nodes
        ]

    def close(self) -> None:
        """Give back what is held."""
        for hold in self._gpus.values():
            hold.release()
        self._gpus.clear()

    def _exclude(self, place: SetApart, *, node: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> None:
        """Set one place apart, unless it is the last one."""
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
            self._tell(f"{place} is not set apart: no other place has room for a trial. Mend it, or add hosts")
            return
        self._tell(f"set apart: {place}; no trial is started there any more")

    def _give_back(self, places: set[tuple[str, str | None]], *, names: Mapping[str, str]) -> None:
        """Let go of the GPUs that are not set apart any more, or whose hosts are as a whole, or gone."""
        for node, gpu in list(self._gpus):
            if (names.get(node, ""), gpu) not in places:
                self._gpus.pop((node, gpu)).release()

    def _tell(self, said: str) -> None:
        if said not in self._told:
            self._told.add(said)
            log.warning("%s", said)


@dataclass(slots=True, kw_only=True)
class _Hold:
    """One GPU that is to be kept from trials, or is.

    Ray gives an actor any free GPU of a host. So as many actors as it has GPUs are asked for at once, the one that was
    given the right one is kept, and the others end.
    """

    node: str
    gpu: str
    num_gpus: int
    holder: Any = None
    """The actor that has it."""
    _asked: Mapping[Any, Any] | None = None
    """Answer that is waited for -> actor."""
    _since: float = 0.0

    def pursue(self, *, now: float) -> None:
        """Get on with taking it; returns at once."""
        if self.holder is not None:
            return
        if self._asked is None:
            self._asked, self._since = dict(_ask(self.node) for _ in range(self.num_gpus)), now
            return
        done, _ = ray.wait(list(self._asked), num_returns=len(self._asked), timeout=0)
        given = {reference: self._asked[reference] for reference in done if self.gpu in _gpus_of(reference)}
        self.holder = next(iter(given.values()), None)
        if self.holder is not None or len(done) == len(self._asked) or now - self._since > SECONDS_TO_TAKE:
            self._end(one for one in self._asked.values() if one is not self.holder)
            self._asked = None

    def release(self) -> None:
        """Give it back."""
        self._end([*(self._asked or {}).values(), *([self.holder] if self.holder is not None else [])])

    @staticmethod
    def _end(actors: Any) -> None:
        for actor in actors:
            ray.kill(actor)


class GpuHolder:
    """The actor: has a GPU, and does nothing with it."""

    def gpus(self) -> list[str]:
        """Return the numbers of its GPUs on its host."""
        return [str(gpu) for gpu in ray.get_gpu_ids()]


def _ask(node: str) -> tuple[Any, Any]:
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


def _away_from(nodes: Collection[str], *, resources: tune.PlacementGroupFactory) -> tune.PlacementGroupFactory:
    """Return a trial's placement group on other hosts than these."""
    bundles = resources.bundles
    head: list[dict[str, float]] = [{}] if resources.head_bundle_is_empty else []
    if not nodes:
        return tune.PlacementGroupFactory([*head, *bundles], strategy=resources.strategy)
    elsewhere = {NODE_ID: f"!in({','.join(sorted(nodes))})"}
    return tune.PlacementGroupFactory(
        [*head, *bundles], strategy=resources.strategy, bundle_label_selector=[elsewhere] * len(bundles)
    )
