"""Settles the fields of a new sweep's engine that are `auto` and that its devices decide. Nothing is started here.

On the CPU only the type of the arithmetic is settled, and only where trials run on this machine: Ray does not say what
the processors of a cluster's hosts have in hardware. The other unsettled fields have the values that are best there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from search.driver.device_plan import plan_cluster_devices, plan_local_devices
from search.ray_environment import given_address
from spaces.fast_defaults import ChosenFields
from spaces.space.binder import bind
from spaces.space.enumeration import default_assignment, first_assignments
from spaces.space.tree import FAMILY_PATH, ChoiceParameter, Space, every_parameter, every_setting
from spaces.sweep_spec import SweepSpec, make_space
from trainables.config import EngineConfig
from trainables.config.trial import Precision
from trainables.ranks.devices import HostResources, RankDevices
from trainables.ranks.local_devices import find_gpus, is_rehearsal
from trainables.ranks.precision import precision_here, scoring_here, settled_precision
from trainables.ranks.sharding import TrainedModel
from trainables.trials.memory_plan import fitted_fields, rank_room, trained_model

_ON_CPU = RankDevices(kind="cpu", computes_on="cpu")

_FREEZING = ("freeze_embeddings", "freeze_layers")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gpus:
    """The GPUs of a sweep."""

    precision: Precision
    """Type of its arithmetic."""
    devices: RankDevices
    """Devices of its ranks."""
    hosts: Sequence[HostResources]
    """Hosts that ranks can be on."""


def chosen_fields(spec: SweepSpec) -> ChosenFields:
    """Return what a sweep's devices decide: those of its cluster, or of this machine.

    Raises:
        ConfigError: A trial needs more GPUs, or other ones, than there are.
        InputError: The cluster in RAY_ADDRESS does not answer, or this machine has too few cores.
    """
    space = make_space(spec)
    engine = bind(space, default_assignment(space)).engine
    gpus = None if engine.device == "cpu" else _gpus(spec, engine)
    if gpus is None:
        return _of_cpu(engine)
    settled = engine.model_copy(update={"precision": gpus.precision})
    chosen = ChosenFields(values={"precision": gpus.precision})
    model = _largest_model(space, engine=settled)
    if model is None:
        return chosen
    found = fitted_fields(settled, model=model, room=rank_room(engine, devices=gpus.devices, hosts=gpus.hosts))
    return ChosenFields(values={**chosen.values, **found.values}, reasons=found.reasons)


def _of_cpu(engine: EngineConfig) -> ChosenFields:
    """Return what this machine's CPU decides; nothing on a cluster."""
    if given_address(os.environ) is not None:
        return ChosenFields()
    precision = precision_here(engine, devices=_ON_CPU)
    values = {"precision": precision, "evaluation_precision": scoring_here(engine, precision=precision)}
    if values == {"precision": engine.arithmetic, "evaluation_precision": engine.scoring}:
        return ChosenFields()
    return ChosenFields(values=values, reasons={"precision": "this processor multiplies it in hardware"})


def _largest_model(space: Space, *, engine: EngineConfig) -> TrainedModel | None:
    """Return the largest model that trials of a space train; None if no encoder of it can be read."""
    named = [setting.value for setting in every_setting(space.root) if setting.field == "encoder.name"]
    return trained_model(
        [bind(space, assignment) for assignment in first_assignments(space)],
        encoders=[name for name in named if isinstance(name, str)],
        engine=engine,
        freezing_varies=_freezing_varies(space) or _adapter_varies(space),
    )


def _freezing_varies(space: Space) -> bool:
    return any(parameter.path.endswith(_FREEZING) for parameter in every_parameter(space.root))


def _adapter_varies(space: Space) -> bool:
    """Return whether the phases of a family's trials can have different adapters, or also none."""
    families = [one for one in space.root.parameters if isinstance(one, ChoiceParameter) and one.path == FAMILY_PATH]
    always = (space.root, *(arm.branch for family in families for arm in family.arms))
    num_fixed = sum(_is_of_adapter(setting.field) for branch in always for setting in branch.settings)
    return num_fixed < sum(_is_of_adapter(setting.field) for setting in every_setting(space.root)) or any(
        _is_of_adapter(parameter.field) for parameter in every_parameter(space.root)
    )


def _is_of_adapter(field: str) -> bool:
    return "adapter" in field.split(".")


def _gpus(spec: SweepSpec, engine: EngineConfig) -> _Gpus | None:
    """Return the GPUs of a sweep; None if it runs on the CPU."""
    if given_address(os.environ) is None:
        return _gpus_here(spec, engine)
    from search.driver.tune_run import RayCluster

    with RayCluster() as cluster:
        hosts = cluster.hosts()
    devices = plan_cluster_devices(spec, engine, hosts=hosts).devices
    possible = [*hosts.there, *hosts.may_join]
    return _on_gpus(settled_precision(engine, devices=devices, hosts=possible), devices=devices, hosts=possible)


def _gpus_here(spec: SweepSpec, engine: EngineConfig) -> _Gpus | None:
    rehearses = is_rehearsal()
    if not rehearses and not find_gpus().num_in_torch:  # what cannot be used is refused when the sweep starts
        return None
    from search.driver.cluster_hosts import this_machine

    hosts = this_machine()
    devices = plan_local_devices(spec, engine, hosts=hosts).devices
    if rehearses:
        precision = settled_precision(engine, devices=devices, hosts=hosts.there)
    else:
        precision = precision_here(engine, devices=devices)
    return _on_gpus(precision, devices=devices, hosts=hosts.there)


def _on_gpus(precision: Precision, *, devices: RankDevices, hosts: Sequence[HostResources]) -> _Gpus | None:
    return _Gpus(precision=precision, devices=devices, hosts=hosts) if devices.kind == "cuda" else None
