"""The sweep spec: what a user writes to describe a search, and the space that it stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from spaces.budget import BudgetConfig
from spaces.checking import check_space
from spaces.conditions import read_condition
from spaces.deepspeed_file import read_deepspeed
from spaces.drawing import MAX_COUNTED, has_conditions, size
from spaces.errors import UnknownSweepSpecError
from spaces.key_order import KEY_ORDER, in_key_order, with_key_order
from spaces.objectives import SCORES, Goal, Score, complaint_about, complaint_about_one
from spaces.own_tasks import adopt_tasks, read_tasks
from spaces.parsing import Place, parse_branch
from spaces.points import check_point
from spaces.priors import PriorsConfig, check_priors
from spaces.relative_folders import with_folders_beside
from spaces.repeating import with_value
from spaces.rungs import check_rungs
from spaces.sampler_limits import check_sampler_limits
from spaces.tree import FAMILY_PATH, Arm, Branch, ChoiceParameter, Setting, Space, every_parameter
from trainables.config import FrozenModel, RungsConfig
from trainables.config.validation import config_error
from trainables.config.yaml_file import read_yaml
from trainables.errors import ConfigError, YamlFileError
from trainables.results import Family

JsonObject = dict[str, JsonValue]
"""A mapping of a YAML document."""

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
"""What a sweep may be called: its name is also part of file names."""

MAX_NAME_LENGTH = 100
"""In characters."""

_NOT_SEARCHED = {
    "intermediate": "put it under `families`, one of which each trial has",
    "evaluation": "trials scored on different things cannot be compared; put it under `trial`",
    "further": "trials scored on different things cannot be compared; put it under `trial`",
    "engine": "it does not decide a trial's results; put it under `trial`",
}


class GivenPoint(FrozenModel):
    """A configuration that is run again and again, under seeds of its own each time."""

    name: str = Field(min_length=1)
    """What comparisons call it."""
    assignment: JsonObject
    """Parameter of the space -> value; seeds that it leaves out are drawn anew each time."""


LEARNING_SAMPLERS = frozenset({"tpe", "gp", "cmaes", "nsga2", "stage_aware"})
"""Samplers whose proposals depend on earlier results."""


class SamplerConfig(FrozenModel):
    """How the next trial is proposed."""

    name: Literal["tpe", "random", "grid", "given", "qmc", "gp", "cmaes", "nsga2", "stage_aware"] = "tpe"
    """`tpe`: Optuna's multivariate Parzen estimator (Bergstra et al. 2011); `random`; `grid`: each point once;
    `given`: `points` in turn, again and again with fresh seeds, as `xstilts confirm` does; `qmc`: a Sobol sequence;
    `gp`: Gaussian process over what all finished trials share; `cmaes`: CMA-ES over the ranges that they share, two or
    more; both leave the rest to TPE; `nsga2`: genetic, and what hangs on an arm at random."""
    num_startup: int = Field(default=10, ge=1)
    """Finished trials before a sampler that learns starts to; random until then. The families' defaults count. `nsga2`:
    the size of a generation."""
    points: tuple[GivenPoint, ...] = Field(default=(), strict=False)
    """Configurations of `given`, the baseline last. `given` only."""

    @model_validator(mode="after")
    def _points_are_given(self) -> Self:
        if (self.name == "given") != bool(self.points):
            msg = f"sampler {self.name!r} has {len(self.points)} points; points are for name: given, which needs some"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _startup_has_an_effect(self) -> Self:
        if not self.learns and self.num_startup != type(self).model_fields["num_startup"].default:
            msg = f"num_startup has no effect on sampler {self.name!r}; remove it, or set name: tpe"
            raise ValueError(msg)
        return self

    @property
    def learns(self) -> bool:
        """Whether proposals depend on earlier results."""
        return self.name in LEARNING_SAMPLERS


_FIELDS_OF_PRUNERS = {"num_startup": "median", "patience": "patient", "p_threshold": "wilcoxon"}


class PrunerConfig(FrozenModel):
    """Which trials climb to the next rung."""

    name: Literal["successive_halving", "hyperband", "median", "patient", "wilcoxon", "none"] = "successive_halving"
    """`successive_halving`: the best 1/eta of those measured there (arXiv 1810.05934); `hyperband`: the same in
    brackets that begin at later rungs (arXiv 1603.06560); `median`: its better half; `patient`: successive halving of
    those that fell below their own best; `wilcoxon`: all but those worse than the best there, over paired items."""
    num_startup: int = Field(default=5, ge=1)
    """Finished trials before `median` ends one. `median` only."""
    patience: int = Field(default=1, ge=1)
    """Rungs that a score may stay below its best before `patient` ends a trial. `patient` only."""
    p_threshold: float = Field(default=0.1, gt=0, lt=1)
    """Largest p-value at which `wilcoxon` ends a trial. `wilcoxon` only."""

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> JsonObject:
        """Leave out later fields at their defaults: a sweep on record from before them has the same spec."""
        fields: JsonObject = handler(self)
        later = {name: type(self).model_fields[name].default for name in ("patience", "p_threshold")}
        return {name: value for name, value in fields.items() if name not in later or value != later[name]}

    @model_validator(mode="after")
    def _every_field_has_an_effect(self) -> Self:
        for field, owner in _FIELDS_OF_PRUNERS.items():
            if self.name != owner and getattr(self, field) != type(self).model_fields[field].default:
                msg = f"{field} has no effect on pruner {self.name!r}; remove it, or set name: {owner}"
                raise ValueError(msg)
        return self


class SweepSpec(FrozenModel):
    """A named search: how many trials, scored how, over which space."""

    name: str = Field(pattern=NAME_PATTERN, max_length=MAX_NAME_LENGTH)
    """Name of the sweep: letters, digits, `_`, `-` and `.`."""
    description: str = ""
    """What the sweep is meant to find out."""
    objective: Score | Annotated[tuple[Goal, ...], Field(strict=False)] = "average"
    """Score to maximise: mean over languages (XTREME), English only (strict zero-shot), or the lowest language. A list
    of it and further scores, or of `seconds` and `steps` to be few, asks for the trials that none beats in all."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seeds the sampler; phases have their own seeds in `trial`."""
    trials: int = Field(ge=1, lt=2**31)
    """Number of trials, failed ones included; as many as the record can count at most."""
    concurrency: int | None = Field(default=None, ge=1)
    """Trials that run at the same time; None: as many as the resources allow."""
    budget: BudgetConfig = BudgetConfig()
    """What the sweep may cost; `trials` bounds it in any case."""
    sampler: SamplerConfig = SamplerConfig()
    """How the next trial is proposed."""
    priors: PriorsConfig = PriorsConfig()
    """What is believed of the space before the sweep runs: it orders the first trials, and fades."""
    rungs: RungsConfig = RungsConfig()
    """Fidelity levels that trials climb; one by default."""
    pruner: PrunerConfig = PrunerConfig()
    """Which trials climb, where there are several rungs."""
    order: Literal["completion", "fixed"] = "completion"
    """`completion`: a proposal sees all results so far. `fixed`: proposal n sees those up to n - concurrency, and a
    trial is pruned by what the trials before it scored, whatever the timing."""
    tasks: JsonObject | None = None
    """The user's own tasks: written as a list of task files, kept as name -> task (`spaces.own_tasks`)."""
    trial: JsonObject = Field(default_factory=dict[str, JsonValue])
    """A partial TrialConfig: what every trial has. `trial.intermediate` is shared by all families but `none`."""
    families: dict[Family, JsonObject] = Field(min_length=1)
    """Family -> fields of its intermediate phase, fixed or searched."""
    search: JsonObject = Field(default_factory=dict[str, JsonValue])
    """Fields of any other phase, searched in every family; keys may be dotted."""
    constraints: tuple[str, ...] = Field(default=(), strict=False)
    """Conditions that each trial meets, like `intermediate.steps * intermediate.batch_size <= 40000`. One about a field
    that a trial does not have does not apply to it."""

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> JsonObject:
        """Leave constraints out where there are none: a sweep on record from before them has the same spec."""
        fields: JsonObject = handler(self)
        return {name: value for name, value in fields.items() if name != "constraints" or value}

    @field_validator("objective", mode="before")
    @classmethod
    def _objectives_fit_together(cls, objective: object) -> object:
        if isinstance(objective, (list, tuple)):
            if complaint := complaint_about(objective):
                raise ValueError(complaint)
        elif objective not in SCORES:
            raise ValueError(complaint_about_one(objective))
        return objective

    @property
    def goals(self) -> tuple[Goal, ...]:
        """What is optimised: the score first, that `best` and pruners go by."""
        return self.objective if isinstance(self.objective, tuple) else (self.objective,)

    @property
    def score(self) -> Score:
        """The first objective."""
        first = self.goals[0]
        assert first in SCORES  # noqa: S101  (checked above)
        return first


def load_sweep_spec(name_or_path: str | Path) -> SweepSpec:
    """Return a checked sweep spec.

    Args:
        name_or_path: Name of a shipped spec (`demo`), or path of a YAML file.

    Raises:
        UnknownSweepSpecError: No shipped spec has this name and no such file exists.
        YamlFileError: The file, or a task file that it names, cannot be read as YAML.
        TaskFileError: A field of one of its own tasks is wrong.
        ConfigError: A field is wrong; `field` is its path in the spec.
    """
    shipped = shipped_specs()
    path = shipped.get(str(name_or_path), Path(name_or_path))
    if not path.is_file() and path.suffix not in {".yaml", ".yml"}:
        raise UnknownSweepSpecError(str(name_or_path), shipped, is_folder=path.is_dir())
    document = read_yaml(path)
    if not isinstance(document, dict):
        raise YamlFileError(str(path), "does not hold a mapping; a sweep spec has fields like `name:` and `trials:`")
    folder = path.absolute().parent
    if "tasks" in document:
        document["tasks"] = read_tasks(document["tasks"], folder=folder)
    read_deepspeed(document.get("trial"), folder=folder)
    for part in ("trial", "families", "search"):
        if part in document:
            document[part] = with_folders_beside(document[part], folder=folder)
    return make_sweep_spec(document)


def checked_name(name: str) -> str:
    """Return the name that a sweep is given in place of its spec's.

    Raises:
        ConfigError: It could not be part of a file name.
    """
    if not re.fullmatch(NAME_PATTERN.strip("^$"), name) or len(name) > MAX_NAME_LENGTH:
        rule = f"a name has letters, digits, `_`, `-`, `.`, starts with one of the first two, at most {MAX_NAME_LENGTH}"
        raise ConfigError("--name", f"{name!r} cannot name a sweep; {rule}; choose another")
    return name


def shipped_specs() -> dict[str, Path]:
    """Return name -> file of the specs that ship with xstilts."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}


def make_sweep_spec(document: Mapping[str, JsonValue]) -> SweepSpec:
    """Return the checked sweep spec of a document from YAML or a record; its own tasks are known from here on.

    Raises:
        ConfigError: A field is wrong; `field` is its path in the spec.
    """
    document = in_key_order(document)
    try:
        return _checked(document)
    except ConfigError as error:
        raise with_value(error, document=document) from None


def _checked(document: Mapping[str, JsonValue]) -> SweepSpec:
    try:
        spec = SweepSpec.model_validate(dict(document))
    except ValidationError as error:
        raise config_error(error, known=_known_names) from None
    adopt_tasks(spec.tasks)
    _refuse_unfit_objectives(spec)
    space = make_space(spec)
    check_space(space)
    _check_grid(spec, space=space)
    check_sampler_limits(spec.sampler.name, space=space)
    for place, point in enumerate(spec.sampler.points):
        check_point(point.name, point.assignment, space=space, origin=f"sampler.points.{place}.assignment")
    check_priors(spec.priors, space=space, sampler=spec.sampler.name)
    check_rungs(spec.rungs, space=space)
    _refuse_idle_pruner(spec)
    return spec


def recorded(spec: SweepSpec) -> JsonObject:
    """Return a spec as the record keeps it, from which `make_sweep_spec` makes the same one, keys in the same order."""
    fields: JsonObject = spec.model_dump(mode="json")
    searched = {name: fields[name] for name in ("trial", "families", "search")}
    return {**fields, **{key: value for key, value in with_key_order(searched).items() if key == KEY_ORDER}}


def _refuse_unfit_objectives(spec: SweepSpec) -> None:
    if len(spec.goals) == 1:
        return
    named = ", ".join(spec.goals)
    if spec.sampler.name in {"cmaes", "stage_aware"}:
        rule = f"it optimises one number, and the sweep has objectives {named}"
        message = f"{spec.sampler.name!r} does not fit: {rule}; use nsga2, tpe or gp, or one objective"
        raise ConfigError("sampler.name", message)
    if spec.priors.earlier is not None:
        rule = f"sweep {spec.priors.earlier.sweep!r} tells one score of each trial, and this one has {named}"
        raise ConfigError("priors.earlier", f"does not fit: {rule}; leave --from out, or take one objective")
    if spec.rungs.num > 1 and spec.pruner.name != "none":
        rule = f"it would end trials that score less at a rung, and one of them may be the best in {named} together"
        message = f"{spec.pruner.name!r} does not fit several objectives: {rule}"
        raise ConfigError("pruner.name", f"{message}; set pruner.name: none, or one objective")


def _refuse_idle_pruner(spec: SweepSpec) -> None:
    if spec.rungs.num == 1 and spec.pruner != PrunerConfig():
        rule = "there is one rung, so that no trial can end before it"
        raise ConfigError("pruner", f"has no effect: {rule}; remove it, or set rungs.num to 2 or more")
    if spec.pruner.name == "wilcoxon" and spec.score != "average":
        rule = f"it compares means over languages in pairs, which says nothing about objective {spec.score!r}"
        raise ConfigError("pruner.name", f"'wilcoxon' does not fit: {rule}; set objective: average, or another pruner")


def _check_grid(spec: SweepSpec, *, space: Space) -> None:
    if spec.sampler.name != "grid":
        return
    points = size(space)
    if points is not None and points > MAX_COUNTED and has_conditions(space):
        message = f"a grid of up to {points} points, of which conditions rule some out; it can have {MAX_COUNTED}"
        raise ConfigError("sampler.name", f"{message}; use random or tpe, or fewer values")
    if points is None:
        raise ConfigError("sampler.name", "a grid needs a finite space, and this one has a range; use choice, or tpe")
    if spec.trials > points:
        raise ConfigError("trials", f"{spec.trials} trials of a grid with {points} points; set trials to {points}")


def _known_names(path: str) -> list[str]:
    if path.startswith("families"):
        return list(Family.__args__)
    parts: dict[str, type[FrozenModel]] = {
        "budget": BudgetConfig,
        "sampler": SamplerConfig,
        "priors": PriorsConfig,
        "rungs": RungsConfig,
        "pruner": PrunerConfig,
    }
    return list(parts.get(path.split(".", maxsplit=1)[0], SweepSpec).model_fields)


def make_space(spec: SweepSpec) -> Space:
    """Return the space of a sweep spec: its fixed trial, the choice of a family, and the shared search.

    Raises:
        ConfigError: A value is malformed or names a field that does not exist.
    """
    trial = parse_branch(spec.trial, at=Place(path="", field="", origin="trial"))
    if trial.parameters:
        found = trial.parameters[0]
        raise ConfigError(found.origin, "`trial` holds fixed values; put what is searched under `search` or `families`")
    _refuse_idle_settings(spec)
    for key in spec.search:
        if reason := _NOT_SEARCHED.get(key.split(".")[0]):
            raise ConfigError(f"search.{key}", f"{key!r} cannot be searched here: {reason}")
    shared = parse_branch(spec.search, at=Place(path="", field="", origin="search"))
    root = trial + Branch(parameters=(_family_choice(spec),)) + shared
    # The TrialConfig itself is always there: its own empty setting would name no field.
    settings = tuple(setting for setting in root.settings if setting.field)
    constraints = [read_condition(text, origin=f"constraints.{place}") for place, text in enumerate(spec.constraints)]
    space = Space(root=Branch(settings=settings, parameters=root.parameters), constraints=tuple(constraints))
    _refuse_shared_paths(space)
    return space


def _family_choice(spec: SweepSpec) -> ChoiceParameter:
    arms = tuple(Arm(label=family, branch=_family_branch(family, body=body)) for family, body in spec.families.items())
    return ChoiceParameter(
        path=FAMILY_PATH, field="intermediate", origin="families", arms=arms, default=next(iter(spec.families))
    )


def _family_branch(family: Family, *, body: JsonObject) -> Branch:
    origin = f"families.{family}"
    if family == "none":
        if body:
            raise ConfigError(f"{origin}.{next(iter(body))}", "family `none` has no intermediate phase; write none: {}")
        return Branch(settings=(Setting(field="intermediate", origin=origin, value=None),))
    return parse_branch(body, at=Place(path=f"intermediate.{family}", field="intermediate", origin=origin))


def _refuse_idle_settings(spec: SweepSpec) -> None:
    shared = [key for key in spec.trial if key.split(".")[0] == "intermediate"]
    if shared and set(spec.families) == {"none"}:
        raise ConfigError(f"trial.{shared[0]}", "has no effect: no family has an intermediate phase; remove it")


def _refuse_shared_paths(space: Space) -> None:
    seen: dict[str, str] = {}
    for parameter in every_parameter(space.root):
        if parameter.path in seen:
            raise ConfigError(
                parameter.origin, f"is searched twice, also at {seen[parameter.path]}; keep one of the two"
            )
        seen[parameter.path] = parameter.origin
