"""Checks `keep:` of a sweep spec before the sweep starts, and makes the keeper of its store."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from search.errors import InputError, SearchError
from search.record import JsonObject, Record
from search.stages.garbage_collection import raise_if_shared
from search.stages.keep_policy import StageSizes, waiting_of
from search.stages.needs import read_needs
from search.stages.store_keeper import StoreKeeper
from spaces.space.tree import every_setting
from spaces.sweep_spec import SweepSpec, make_space
from trainables.config import TrialConfig
from trainables.errors import ConfigError, TrainablesError
from trainables.models.pretrained.encoder_folder import encoder_config
from trainables.models.text_towers import read_text_tower
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import missing_stages, plan_stages
from trainables.plan.starting_weights import encoder_folder
from trainables.stage_store import StageStore


def stage_sizes(config: TrialConfig, *, spec: SweepSpec) -> StageSizes:
    """Return the sizes of stages with the largest encoder of a sweep's trials.

    Args:
        config: One of its trials.
        spec: The sweep's spec; encoders of it that cannot be found are left out.

    Raises:
        InputError: The encoder of the trial cannot be found.
    """
    found = [_sizes_with(config.encoder.name, revision=config.encoder.revision)]
    for setting in every_setting(make_space(spec).root):
        if setting.field == "encoder.name" and setting.value != config.encoder.name:
            with contextlib.suppress(TrainablesError):
                found.append(_sizes_with(str(setting.value), revision=config.encoder.revision))
    return max(found, key=lambda one: one.weight_bytes)


def _sizes_with(encoder: str, *, revision: str | None) -> StageSizes:
    folder = encoder_folder(encoder, revision=revision)
    weight_bytes = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    tower = read_text_tower(folder)
    return StageSizes(weight_bytes=weight_bytes, encoder=encoder_config(folder) if tower is None else tower.config)


def check_keep(spec: SweepSpec, configs: Sequence[TrialConfig]) -> None:
    """Check that the limit of a sweep's store has room for its best trials and for one that runs.

    Args:
        spec: The sweep's spec.
        configs: A trial of each family.

    Raises:
        ConfigError: It has not.
    """
    if spec.keep is None or spec.keep.bytes is None:
        return
    num_kept = min(spec.keep.best, spec.trials - 1)
    least = max(_least_bytes(spec, config, num_kept=num_kept) for config in configs)
    if spec.keep.bytes < least:
        message = f"{spec.keep.bytes:,} bytes are too few: the {num_kept} best trials and one that runs can take "
        message += f"{least:,}; set it to more, or lower keep.best"
        raise ConfigError("keep.bytes", message)


def make_keeper(
    record: Record, *, name: str, spec: SweepSpec, store: StageStore, config: TrialConfig
) -> StoreKeeper | None:
    """Return the keeper of a sweep's store; None for a sweep without `keep:`.

    Args:
        record: Record with all sweeps that use the store.
        name: Name of the sweep.
        spec: Its spec.
        store: Its store.
        config: One of its trials.

    Raises:
        InputError: The stages of one of its trials cannot be computed, so that nothing could ever be removed.
        StoreSharedError: Sweeps that the record lacks have used the store: they may need its stages.
    """
    if spec.keep is None:
        return None
    raise_if_shared(record, store=store)
    try:
        read_needs(record, complete=(), keep_best=spec.keep.best, only_of=name)
    except InputError as error:
        msg = f"keep: {error}, or remove `keep` from the spec"
        raise InputError(msg) from error

    def note(payload: JsonObject) -> None:
        with contextlib.suppress(SearchError):  # the record's disk can be full; the stages are gone all the same
            record.note(name, kind="removed", payload=payload)

    return StoreKeeper(record, name=name, keep=spec.keep, store=store, sizes=stage_sizes(config, spec=spec), note=note)


def _least_bytes(spec: SweepSpec, config: TrialConfig, *, num_kept: int) -> int:
    size = stage_sizes(config, spec=spec).of
    plan = plan_stages(config, provenance=read_provenance(config), rungs=spec.rungs)
    made = missing_stages(plan, is_complete=lambda _: False)
    demand = waiting_of([made], size=size)
    return demand.largest_bytes + num_kept * demand.lasting_bytes
