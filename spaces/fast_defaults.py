"""What a new sweep gets where its spec names no sampler, no rungs and no pruner: the defaults that save most steps.

The parser of specs does not apply them, so a spec on record has the same meaning in every version. `xstilts search`
applies them to the spec of a new sweep and writes them into its record. A sweep on record keeps what it has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any  # a spec's fields before they are checked

from pydantic import JsonValue

from spaces.checks.objective_checks import rungs_for
from spaces.checks.rung_checks import check_rungs_of_all_phases
from spaces.objectives import BENCHMARKS
from spaces.pruner_config import PrunerConfig
from spaces.space.binder import bind
from spaces.space.enumeration import first_assignments
from spaces.sweep_spec import JsonObject, SamplerConfig, SweepSpec, make_space, make_sweep_spec
from trainables.config import PhaseConfig, RungsConfig, TrialConfig
from trainables.errors import ConfigError
from trainables.plan.schedule import has_trunk

SAMPLER = SamplerConfig(name="stage_aware")
"""Proposes several targets for an intermediate phase before it pays for another one."""

NUM_RUNGS, ETA, NUM_ITEMS = 3, 3, 250
"""Rungs, their factor (arXiv 1502.07943), and evaluation items in each language at rung 0."""

MIN_STEPS = 20
"""Fewest steps of a target phase at rung 0; a shorter one says nothing about its end."""

WARMUP_SHARE, WARMUP_STEPS = 0.1, 200
"""Warm-up of the target phase, as a share of its steps at rung 0 (XTREME, arXiv 2003.11080: 10 %), and its steps where
the phase has epochs."""

_CHOSEN = ("sampler", "rungs", "pruner")

SCHEDULE = "target.schedule"
"""Field of a trial that defaults set."""

ENGINE_FIELDS = (
    *("precision", "evaluation_precision", "zero_stage", "offload"),
    *("gradient_checkpointing", "tokens_per_micro_batch"),
)
"""Fields of the engine that devices decide where they are `auto`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenFields:
    """What a sweep's devices decide; nothing on the CPU."""

    values: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """Field of the engine -> its value."""
    reasons: Mapping[str, str] = field(default_factory=dict[str, str])
    """Field of the engine -> why, for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A spec with defaults written out."""

    spec: SweepSpec
    """The spec, checked."""
    fields: tuple[str, ...] = ()
    """What was set, as `field: value`; empty where the spec names everything."""


def named_fields(spec: SweepSpec | None, settings: Iterable[str]) -> frozenset[str]:
    """Return the fields of a sweep spec that its user names, in its file or by `--set`.

    Args:
        spec: The spec as it was loaded, without the settings; None leaves out what it names.
        settings: Texts like `sampler.name=tpe`.
    """
    paths = [setting.partition("=")[0].strip() for setting in settings]
    found = {path.partition(".")[0] for path in paths} | set(paths)
    if spec is not None:
        found |= spec.model_fields_set | {f"pruner.{name}" for name in spec.pruner.model_fields_set}
    return frozenset(found)


def with_fast_defaults(
    spec: SweepSpec,
    *,
    named: Collection[str],
    known: SweepSpec | None,
    is_shipped: bool = False,
    of_devices: Callable[[], ChosenFields] = ChosenFields,
) -> Completed:
    """Return a spec whose unnamed parts have their defaults.

    Args:
        spec: The user's spec with its settings.
        named: Fields that the user names, from `named_fields`.
        known: The sweep of this name on record, whose parts stay; None for a new sweep.
        is_shipped: Whether the spec is one that ships. Its parts are those of this version, which nobody asked for in a
            sweep that an earlier version started: only the settings count as named there.
        of_devices: Returns what the sweep's devices decide of its engine; called for a new sweep that leaves any of it
            open.

    Raises:
        ConfigError: The completed spec is wrong.
    """
    chosen = [name for name in _CHOSEN if name in named]
    if known is not None:
        is_open = is_shipped or not _names_schedule(spec)
        return Completed(spec=_as_known(spec, known, chosen=chosen, named=named, is_schedule_open=is_open))
    set_fields: JsonObject = {}
    if not chosen and len(spec.goals) == 1 and spec.stop.decided is None:
        set_fields["sampler"] = {"name": SAMPLER.name}
        rungs = _rungs(spec)
        if rungs.num > 1:
            set_fields["rungs"] = {"num": rungs.num, "eta": rungs.eta, "num_items": rungs.num_items}
            if not _names_schedule(spec):
                set_fields[f"trial.{SCHEDULE}"] = _schedule(spec, rungs=rungs)
    num = rungs.num if (rungs := RungsConfig.model_validate(set_fields.get("rungs", {}))).num > 1 else spec.rungs.num
    if num > 1 and spec.pruner.name != "none" and "pruner.keep_per_family" not in named:
        set_fields["pruner"] = {"keep_per_family": 1}
    reasons: dict[str, str] = {}
    if is_open := [name for name in ENGINE_FIELDS if not _names_engine_field(spec, name)]:
        chosen_fields = of_devices()
        for name in is_open:
            if name in chosen_fields.values:
                set_fields[f"trial.engine.{name}"] = chosen_fields.values[name]
                reasons[f"trial.engine.{name}"] = chosen_fields.reasons.get(name, "")
    return Completed(spec=_completed(spec, set_fields), fields=tuple(_words(set_fields, reasons=reasons)))


def rung_cost_note(spec: SweepSpec) -> str | None:
    """Return what rungs cost where the schedule lets no rung continue the one below; None where one does."""
    if spec.rungs.num == 1:
        return None
    work = _first_targets(spec)[0]
    if has_trunk(work.schedule):
        return None
    shares = [spec.rungs.share(rung) for rung in range(spec.rungs.num)]
    decay = 0.2 * sum(shares[:-1])
    return (
        f"With the {work.schedule.kind} schedule of target.schedule no rung continues the one below: a trial that is "
        f"promoted to the last rung trains its target phase {sum(shares):.2f} times. With kind: warmup_stable_decay "
        f"and warmup_steps, it trains it {1 + decay:.2f} times."
    )


def _as_known(
    spec: SweepSpec, known: SweepSpec, *, chosen: Collection[str], named: Collection[str], is_schedule_open: bool
) -> SweepSpec:
    """Return a spec whose unnamed sampler, rungs, pruner and schedule are those of its sweep on record."""
    update: dict[str, Any] = {name: getattr(known, name) for name in _CHOSEN if not chosen}
    if chosen and "pruner.keep_per_family" not in named and known.pruner.name == spec.pruner.name:
        update["pruner"] = spec.pruner.model_copy(update={"keep_per_family": known.pruner.keep_per_family})
    if not chosen and is_schedule_open and not any(path.startswith("trial.target.schedule") for path in named):
        update["trial"] = _with_field(spec.trial, SCHEDULE, value=_field_of(known.trial, SCHEDULE))
    for name in ENGINE_FIELDS:
        if not _names_engine_field(spec, name):
            trial, path = _mapping(update.get("trial", spec.trial)), f"engine.{name}"
            update["trial"] = _with_field(trial, path, value=_field_of(known.trial, path))
    completed = spec.model_copy(update=update)
    return spec if completed == spec else make_sweep_spec(completed.model_dump(mode="json"))


def _completed(spec: SweepSpec, set_fields: JsonObject) -> SweepSpec:
    if not set_fields:
        return spec
    document: JsonObject = spec.model_dump(mode="json")
    for name, value in set_fields.items():
        if name.startswith("trial."):
            document["trial"] = _with_field(_mapping(document["trial"]), name.removeprefix("trial."), value=value)
        elif name == "pruner":
            document["pruner"] = PrunerConfig.model_validate(
                {**spec.pruner.model_dump(), **_mapping(value)}
            ).model_dump(mode="json")
        else:
            document[name] = value
    return make_sweep_spec(document)


def _rungs(spec: SweepSpec) -> RungsConfig:
    """Return the rungs that the shortest phase has steps for: a target phase, or one of a further target that grows."""
    targets = _first_targets(spec)
    if not BENCHMARKS.isdisjoint(spec.goals):  # its rungs train the further targets too
        further = [target for config in _first_trials(spec) for target in config.further.values()]
        targets += [work for target in further for work in target.target]
    steps = [work.steps for work in targets if work.steps is not None]
    for num in range(NUM_RUNGS, 1, -1):
        rungs = RungsConfig(num=num, eta=ETA, num_items=NUM_ITEMS)
        if (not steps or min(steps) >= MIN_STEPS * ETA ** (num - 1)) and _fits(spec, rungs):
            return rungs
    return RungsConfig()


def _fits(spec: SweepSpec, rungs: RungsConfig) -> bool:
    """Return whether warm-ups and averages that the spec names have room in the lowest rung."""
    try:
        check_rungs_of_all_phases(rungs_for(spec.goals, rungs=rungs), space=make_space(spec))
    except ConfigError:
        return False
    return True


def _schedule(spec: SweepSpec, *, rungs: RungsConfig) -> JsonObject:
    steps = [work.steps for work in _first_targets(spec) if work.steps is not None]
    warmup = round(WARMUP_SHARE * min(steps) * rungs.share(0)) if steps else WARMUP_STEPS
    return {"kind": "warmup_stable_decay", "warmup_steps": max(1, warmup)}


def _first_targets(spec: SweepSpec) -> list[PhaseConfig]:
    return [config.target for config in _first_trials(spec)]


def _first_trials(spec: SweepSpec) -> list[TrialConfig]:
    space = make_space(spec)
    return [bind(space, assignment) for assignment in first_assignments(space)]


def _names_schedule(spec: SweepSpec) -> bool:
    """Return whether the schedule of the target phase is fixed or searched."""
    paths = [*_paths(spec.trial), *_paths(spec.search)]
    return any(path == "target.schedule" or path.startswith("target.schedule.") for path in paths)


def _names_engine_field(spec: SweepSpec, name: str) -> bool:
    """Return whether the spec sets a field of the engine; `auto` leaves it open."""
    return _field_of(spec.trial, f"engine.{name}") not in (None, "auto")


def _field_of(trial: JsonObject, path: str) -> JsonValue:
    """Return a field of the second level of `trial`, written nested or dotted; None where it is not set."""
    outer, _, inner = path.partition(".")
    part = trial.get(outer)
    return part[inner] if isinstance(part, dict) and inner in part else trial.get(path)


def _paths(trial: JsonObject) -> Iterable[str]:
    """Yield the dotted paths of the first two levels of `trial` or `search`."""
    for key, value in trial.items():
        yield key
        if isinstance(value, dict):
            yield from (f"{key}.{inner}" for inner in value)


def _with_field(trial: JsonObject, path: str, *, value: JsonValue) -> JsonObject:
    """Return `trial` with another value of a field of the second level; None removes it."""
    outer, _, inner = path.partition(".")
    part, others = trial.get(outer), {key: other for key, other in trial.items() if key != path}
    if not isinstance(part, dict):
        return others if value is None else {**others, path: value}
    kept = {key: other for key, other in part.items() if key != inner}
    return {**others, outer: kept if value is None else {**kept, inner: value}}


def _words(set_fields: JsonObject, *, reasons: Mapping[str, str]) -> Iterable[str]:
    for name, value in set_fields.items():
        if isinstance(value, dict):
            parts = ", ".join(f"{key}: {part}" for key, part in value.items())
            yield f"{name}: {{{parts}}}"
        else:
            reason = reasons.get(name)
            yield f"{name}: {value} ({reason})" if reason else f"{name}: {value}"


def _mapping(value: JsonValue) -> JsonObject:
    assert isinstance(value, dict)  # noqa: S101  (our own fields)
    return value
