"""The sweep spec, which a user writes to describe a search, and the space that it describes."""

from __future__ import annotations

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
from spaces.checks.density_checks import check_densities
from spaces.checks.objective_checks import check_scored, rungs_for
from spaces.checks.points import check_point
from spaces.checks.rung_checks import check_rungs
from spaces.checks.sampler_limits import check_sampler_limits
from spaces.checks.space_checks import check_space
from spaces.checks.stop_checks import check_stop
from spaces.error_values import with_value
from spaces.errors import UnknownSweepSpecError
from spaces.fixed_trial import fixed_branch
from spaces.further_groups import EARLIER_GROUPS, with_tasks_named
from spaces.keep import KeepConfig
from spaces.key_order import KEY_ORDER, in_key_order, with_key_order
from spaces.named_files.deepspeed_file import read_deepspeed
from spaces.named_files.points_file import read_points
from spaces.named_files.relative_folders import with_folders_beside
from spaces.objectives import BENCHMARKS, SCORES, Goal, Score, complaint_about, complaint_about_one
from spaces.own_tasks import adopt_tasks, read_tasks, take_tasks_of_trial
from spaces.parser import Place, parse_branch
from spaces.priors import PriorsConfig, check_priors
from spaces.pruner_config import PrunerConfig
from spaces.space.conditions import read_condition
from spaces.space.enumeration import MAX_COUNTED, has_conditions, size
from spaces.space.tree import FAMILY_PATH, Arm, Branch, ChoiceParameter, Setting, Space, every_parameter
from spaces.stop import StopConfig
from spaces.sweep_name import MAX_NAME_LENGTH, NAME_PATTERN
from spaces.track import SinkConfig
from trainables.config import FrozenModel, RungsConfig
from trainables.config.validation import config_error
from trainables.config.yaml_file import read_yaml
from trainables.errors import ConfigError, YamlFileError
from trainables.results import Family

JsonObject = dict[str, JsonValue]
"""A mapping of a YAML document."""

_NOT_SEARCHED = {
    "intermediate": "each trial belongs to a family; put it under `families`",
    "evaluation": "trials with different evaluations cannot be compared; put it under `trial`",
    "further": "trials with different evaluations cannot be compared; put it under `trial`",
    "engine": "it does not decide a trial's results; put it under `trial`",
}


class GivenPoint(FrozenModel):
    """A configuration that is run several times, each time with other seeds."""

    name: str = Field(min_length=1)
    """Its name in comparisons."""
    assignment: JsonObject
    """Parameter of the space -> value; seeds that it leaves out are drawn for each trial."""


LEARNING_SAMPLERS = frozenset({"tpe", "gp", "cmaes", "nsga2", "stage_aware"})
"""Samplers whose proposals depend on earlier results."""


class SamplerConfig(FrozenModel):
    """How the next trial is proposed."""

    name: Literal["tpe", "random", "grid", "given", "qmc", "gp", "cmaes", "nsga2", "stage_aware"] = "tpe"
    """`tpe`: Optuna's multivariate Parzen estimator (Bergstra et al. 2011); `random`; `grid`: each point once;
    `given`: `points` in turn, repeated with fresh seeds, as `xstilts confirm` does; `qmc`: a Sobol sequence; `gp`: a
    Gaussian process over the parameters that all finished trials share; `cmaes`: CMA-ES over the ranges that they
    share, at least two; both use TPE for the rest; `nsga2`: genetic, with random values for parameters of single arms;
    `stage_aware`: Gaussian process, the highest expected improvement per optimiser step."""
    num_startup: int = Field(default=10, ge=1, lt=2**31)
    """Finished trials, with the families' defaults, before a sampler learns. `nsga2`: the size of a generation."""
    points: tuple[GivenPoint, ...] = Field(default=(), strict=False)
    """Configurations of `given`, the baseline last, or a csv or jsonl file that holds them. `given` only."""

    @model_validator(mode="after")
    def _points_are_given(self) -> Self:
        if (self.name == "given") != bool(self.points):
            rule = "name: given needs points, the others have none"
            found = f"sampler {self.name!r} has {len(self.points)} points; {rule}"
            how = "write points under `sampler`, each as {name: A, assignment: {PARAMETER: VALUE}}, or name a csv file"
            msg = f"{found}; {how if self.name == 'given' else 'remove them, or set name: given'}"
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


class SweepSpec(FrozenModel):
    """A named search: its space, objective, sampler and number of trials."""

    name: str = Field(pattern=NAME_PATTERN, max_length=MAX_NAME_LENGTH)
    """Name of the sweep: letters, digits, `_`, `-` and `.`."""
    description: str = ""
    """The question that the sweep is to answer."""
    objective: Score | Annotated[tuple[Goal, ...], Field(strict=False)] = "average"
    """Score to maximise: mean over languages, English only (strict zero-shot), or the lowest language of `evaluation`;
    `xtreme` or `xtreme_r`: the mean over all tasks of the benchmark, which `further` must name. A list with further
    scores, or with the costs `seconds` and `steps`, searches for the Pareto set."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of the sampler; phases have their own seeds in `trial`."""
    trials: int = Field(ge=1, lt=2**31)
    """Number of trials, with failed ones; below the largest number that the record can count."""
    concurrency: int | None = Field(default=None, ge=1, lt=2**31)
    """Trials that run at the same time; None: as many as the resources allow."""
    budget: BudgetConfig = BudgetConfig()
    """Bounds of the sweep's cost, beside `trials`."""
    stop: StopConfig = StopConfig()
    """What ends the sweep before its last trial."""
    sampler: SamplerConfig = SamplerConfig()
    """How the next trial is proposed."""
    priors: PriorsConfig = PriorsConfig()
    """What the user expects of the space before the sweep runs: orders the first trials; its effect fades."""
    rungs: RungsConfig = RungsConfig()
    """Fidelity levels to which trials are promoted; one by default."""
    pruner: PrunerConfig = PrunerConfig()
    """Which trials are promoted, where there are several rungs."""
    order: Literal["completion", "fixed"] = "completion"
    """`completion`: a proposal depends on all results so far. `fixed`: proposal n depends on trials up to n -
    concurrency, and pruning depends on the scores of earlier trials, so timing has no effect."""
    track: tuple[SinkConfig, ...] = Field(default=(), strict=False)
    """Where events are reported while the sweep runs; nowhere by default."""
    keep: KeepConfig | None = None
    """Which stages of ended trials stay in the store; all by default."""
    tasks: JsonObject | None = None
    """The user's own tasks: written as a list of task files, stored as name -> task (`spaces.own_tasks`)."""
    trial: JsonObject = Field(default_factory=dict[str, JsonValue])
    """A partial TrialConfig, the same for every trial. All families except `none` share `trial.intermediate`."""
    families: dict[Family, JsonObject] = Field(min_length=1)
    """Family -> fields of its intermediate phase, fixed or searched."""
    search: JsonObject = Field(default_factory=dict[str, JsonValue])
    """Fields of any other phase, searched in every family; keys can be dotted."""
    constraints: tuple[str, ...] = Field(default=(), strict=False)
    """Conditions that each trial meets, like `intermediate.steps * intermediate.batch_size <= 40000`. A condition does
    not apply to a trial that lacks one of its fields."""

    @model_serializer(mode="wrap")
    def _without_new_defaults(self, handler: SerializerFunctionWrapHandler) -> JsonObject:
        """Leave out newer fields that say nothing, so that older sweeps on record have the same spec."""
        fields: JsonObject = handler(self)
        idle = {name for name in ("constraints", "track", "keep") if not getattr(self, name)}
        idle |= {"stop"} if self.stop == StopConfig() else set[str]()
        return {name: value for name, value in fields.items() if name not in idle}

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
        """The objectives. The first is the score that `best` and pruners use."""
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
    return read_sweep_spec(document, folder=path.absolute().parent)


def read_sweep_spec(document: JsonObject, *, folder: Path) -> SweepSpec:
    """Return the checked sweep spec of a document as a user writes it; errors are those of `load_sweep_spec`.

    Args:
        document: The document, which is changed.
        folder: Folder that the paths in it are relative to.
    """
    take_tasks_of_trial(document)
    if "tasks" in document:
        document["tasks"] = read_tasks(document["tasks"], folder=folder)
    read_deepspeed(document.get("trial"), folder=folder)
    read_points(document.get("sampler"), folder=folder)
    for part in ("trial", "families", "search"):
        if part in document:
            document[part] = with_folders_beside(with_tasks_named(document[part]), folder=folder)
    return make_sweep_spec(document)


def shipped_specs() -> dict[str, Path]:
    """Return name -> file of the specs that ship with xstilts."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}


def make_sweep_spec(document: Mapping[str, JsonValue]) -> SweepSpec:
    """Return the checked sweep spec of a document from YAML or a record, and register its own tasks.

    Raises:
        ConfigError: A field is wrong; `field` is its path in the spec.
    """
    document = in_key_order(document)
    if "trial" in document:  # only earlier versions have recorded the name of a benchmark
        document["trial"] = with_tasks_named(document["trial"], groups=EARLIER_GROUPS)
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
    if (rungs := rungs_for(spec.goals, rungs=spec.rungs)) != spec.rungs:
        spec = spec.model_copy(update={"rungs": rungs})
    space = make_space(spec)
    check_space(space)
    check_scored(spec.goals, space=space)
    _check_grid(spec, space=space)
    check_sampler_limits(spec.sampler.name, space=space)
    for place, point in enumerate(spec.sampler.points):
        check_point(point.name, point.assignment, space=space, origin=f"sampler.points.{place}.assignment")
    check_priors(spec.priors, space=space, sampler=spec.sampler.name)
    check_densities(spec.priors.densities, space=space)
    check_rungs(spec.rungs, space=space)
    _refuse_idle_pruner(spec)
    check_stop(
        spec.stop,
        space=space,
        sampler=spec.sampler.name,
        is_sampler_named=spec.sampler != SamplerConfig(),
        num_goals=len(spec.goals),
        prunes=spec.rungs.num > 1 and spec.pruner.name != "none",
    )
    return spec


def recorded(spec: SweepSpec) -> JsonObject:
    """Return a spec as the record stores it. `make_sweep_spec` makes the same spec of it, with the same key order."""
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
        rule = f"sweep {spec.priors.earlier.sweep!r} gives one score for each trial, and this sweep has {named}"
        raise ConfigError("priors.earlier", f"does not fit: {rule}; remove --from, or use one objective")
    if spec.rungs.num > 1 and spec.pruner.name != "none":
        rule = f"it ends trials by one score, and such a trial can be the best in {named} together"
        message = f"{spec.pruner.name!r} does not fit several objectives: {rule}"
        raise ConfigError("pruner.name", f"{message}; set pruner.name: none, or one objective")


def _refuse_idle_pruner(spec: SweepSpec) -> None:
    if spec.rungs.num == 1 and spec.pruner != PrunerConfig():
        rule = "the sweep has one rung, so no trial can end early"
        raise ConfigError("pruner", f"has no effect: {rule}; remove it, or set rungs.num to 2 or more")
    if spec.pruner.name == "wilcoxon" and spec.score != "average":
        rule = f"it compares means over languages of one task, which are not the objective {spec.score!r}"
        raise ConfigError("pruner.name", f"'wilcoxon' does not fit: {rule}; set objective: average, or another pruner")


def _check_grid(spec: SweepSpec, *, space: Space) -> None:
    if spec.sampler.name != "grid":
        return
    points = size(space)
    if points is not None and points > MAX_COUNTED and has_conditions(space):
        message = f"the grid has {points} points without its conditions, and with conditions the limit is {MAX_COUNTED}"
        raise ConfigError("sampler.name", f"{message}; use random or tpe, or fewer values")
    if points is None:
        raise ConfigError("sampler.name", "a grid needs a finite space, and this one has a range; use choice, or tpe")
    if spec.trials > points:
        raise ConfigError("trials", f"{spec.trials} is more than the {points} points of the grid; set it to {points}")


def _known_names(path: str) -> list[str]:
    if path.startswith("families"):
        return list(Family.__args__)
    parts: dict[str, type[FrozenModel]] = {
        "budget": BudgetConfig,
        "stop": StopConfig,
        "sampler": SamplerConfig,
        "priors": PriorsConfig,
        "rungs": RungsConfig,
        "pruner": PrunerConfig,
        "keep": KeepConfig,
    }
    return list(parts.get(path.split(".", maxsplit=1)[0], SweepSpec).model_fields)


def make_space(spec: SweepSpec) -> Space:
    """Return the space of a sweep spec: its fixed trial, the choice of a family, and the shared search.

    Raises:
        ConfigError: A value is malformed or names a field that does not exist.
    """
    trial = fixed_branch(spec.trial, origin="trial", elsewhere="put parameters under `search` or `families`")
    _refuse_idle_settings(spec)
    for key in spec.search:
        if reason := _NOT_SEARCHED.get(key.split(".")[0]):
            raise ConfigError(f"search.{key}", f"{key!r} cannot be searched here: {reason}")
    shared = parse_branch(spec.search, at=Place(path="", field="", origin="search"))
    root = trial + Branch(parameters=(_family_choice(spec),)) + shared
    # `search` is parsed as a trial too, and a trial's own empty setting has no field's name.
    settings = tuple(setting for setting in root.settings if setting.field)
    constraints = [read_condition(text, origin=f"constraints.{place}") for place, text in enumerate(spec.constraints)]
    space = Space(
        root=Branch(settings=settings, parameters=root.parameters),
        constraints=tuple(constraints),
        shares_target_seed=not BENCHMARKS.isdisjoint(spec.goals),
    )
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
    shared = [key for key, value in spec.trial.items() if key.split(".")[0] == "intermediate" and value is not None]
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
