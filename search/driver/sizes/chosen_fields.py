"""Settles the fields of a new sweep's engine that are `auto` and that its devices decide. Nothing is started here.

On the CPU only the type of the arithmetic is settled, and only where trials run on this machine: Ray does not say what
the processors of a cluster's hosts have in hardware. The other unsettled fields have the values that are best there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
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
from trainables.errors import TrainablesError
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import plan_stages
from trainables.plan.starting_weights import with_absolute_folders
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


def chosen_fields(spec: SweepSpec, *, has_stage: Callable[[str], bool] | None = None) -> ChosenFields:
    """Return what a sweep's devices decide: those of its cluster, or of this machine.

    Args:
        spec: The sweep.
        has_stage: Returns whether the sweep's store has the stage with a key; None if there is no store yet.

    Raises:
        ConfigError: A trial needs more GPUs, or other ones, than there are.
        InputError: The cluster in RAY_ADDRESS does not answer, or this machine has too few cores.
    """
    space = make_space(spec)
    engine = bind(space, default_assignment(space)).engine
    gpus = None if engine.device == "cpu" else _gpus(spec, engine)
    if gpus is None:
        return _of_cpu(space, engine, has_stage=has_stage)
    settled = engine.model_copy(update={"precision": gpus.precision})
    chosen = ChosenFields(values={"precision": gpus.precision})
    model = _largest_model(space, engine=settled)
    if model is None:
        return chosen
    found = fitted_fields(settled, model=model, room=rank_room(engine, devices=gpus.devices, hosts=gpus.hosts))
    return ChosenFields(values={**chosen.values, **found.values}, reasons=found.reasons)


def _of_cpu(space: Space, engine: EngineConfig, *, has_stage: Callable[[str], bool] | None) -> ChosenFields:
    """Return what this machine's CPU decides; nothing on a cluster.

    Keys contain the type of the arithmetic. So a sweep whose phases the store has in float32 reuses them.
    """
    if given_address(os.environ) is not None:
        return ChosenFields()
    precision = precision_here(engine, devices=_ON_CPU)
    values = {"precision": precision, "evaluation_precision": scoring_here(engine, precision=precision)}
    if values == {"precision": engine.arithmetic, "evaluation_precision": engine.scoring}:
        return ChosenFields()
    reason = "this processor multiplies it in hardware"
    if engine.precision == "auto" and has_stage is not None and _is_begun_in_float32(space, has_stage=has_stage):
        values = dict.fromkeys(values, "float32")
        reason = "the store has phases of this spec in float32; bfloat16 would be faster here"
    return ChosenFields(values=values, reasons={"precision": reason})


def _is_begun_in_float32(space: Space, *, has_stage: Callable[[str], bool]) -> bool:
    """Return whether a store has a phase of a family's default trial in float32, the type of unsettled trials."""
    for assignment in first_assignments(space):
        config = with_absolute_folders(bind(space, assignment))
        try:
            plan = plan_stages(config, provenance=read_provenance(config))
        except TrainablesError:  # the checks before the start say what is missing
            continue
        if any(has_stage(stage.key) for stage in plan if not stage.is_input and stage.phase != "evaluation"):
            return True
    return False


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
