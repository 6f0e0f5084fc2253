"""Parses the values of a YAML document into the tree of a space.

A mapping with one of the words of `ParameterWord` is a parameter. Any other mapping at a field that has fields of its
own is parsed one level deeper. Any other value is a fixed setting. Keys can be dotted: `target.learning_rate`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from pydantic import JsonValue

from spaces.space.conditions import read_condition
from spaces.space.fields import field_kind
from spaces.space.parameters import FloatParameter, IntParameter, SimplexParameter
from spaces.space.tree import Arm, Branch, ChoiceParameter, Label, Parameter, Setting
from trainables.errors import ConfigError, near_matches

ENCODER = "encoder"
"""Field that can be written as a name, and its arms as names: `encoder: NAME`, `encoder: {choice: [...]}`."""

ParameterWord = Literal["float", "int", "log", "choice", "simplex", "subset"]
"""`float`, `int` and `log` take [low, high]; `choice` takes a list of values or a mapping of arms; `simplex` and
`subset` take a list of tasks."""

MERGE = "merge"
"""Key of a mixture whose tasks are merged, and field of a phase that says how."""

MAX_SUBSET_ITEMS = 6
"""A `subset` becomes a choice with 2^n - 1 arms; a sampler learns little about more than 63."""

_PAIR = 2
_TOO_LARGE = 2**63
"""Samplers use integers of 64 bits."""

_OPTIONS = ("default", "when")
"""The other keys of a parameter's mapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The place of a value in the assignment (`path`), in the TrialConfig (`field`) and in the spec (`origin`)."""

    path: str
    field: str
    origin: str

    def child(self, key: str) -> Place:
        """Return the place of a field below this one.

        Raises:
            ConfigError: A part of the key is empty, so it would mean this place.
        """
        if "" in key.split("."):
            rule = f"{key!r} names no field: a part of it is empty; write its name, or remove it"
            raise ConfigError(self.origin or key, rule)
        return Place(
            path=_join(self.path, key=key), field=_join(self.field, key=key), origin=_join(self.origin, key=key)
        )

    def arm(self, label: Label) -> Place:
        """Return the place of an arm of the choice at this place: the same field, with parameters of its own."""
        return Place(path=f"{self.path}.{label}", field=self.field, origin=f"{self.origin}.choice.{label}")


def _join(prefix: str, *, key: str) -> str:
    return f"{prefix}.{key}" if prefix else key


def parse_branch(value: JsonValue, *, at: Place) -> Branch:
    """Return the settings and parameters that a value describes.

    Args:
        value: The value in the spec.
        at: Its place.

    Raises:
        ConfigError: The value is malformed, or names a field that does not exist.
    """
    kind = field_kind(at.field, origin=at.origin)
    if kind == "entries":
        return Branch(settings=(Setting(field=at.field, origin=at.origin, value=value),))
    if kind == "mapping" and isinstance(value, dict) and MERGE in value:
        return _merge(value, at=at)
    word = parameter_word(value, at=at)
    if word is not None and isinstance(value, dict):
        parameter = _parse_parameter(value, word=word, at=at)
        if "when" in value:
            parameter = replace(parameter, when=read_condition(value["when"], origin=f"{at.origin}.when"))
        return Branch(parameters=(parameter,))
    if at.field == ENCODER and isinstance(value, str):
        value = {"name": value}
    if kind == "model" and isinstance(value, dict):
        parts = [parse_branch(part, at=at.child(key)) for key, part in value.items()]
        return sum(parts, Branch(settings=(Setting(field=at.field, origin=at.origin, value={}),)))
    if kind == "mapping" and isinstance(value, str):
        value = {value: 1.0}
    _refuse_unknown_word(value, kind=kind, at=at)
    return Branch(settings=(Setting(field=at.field, origin=at.origin, value=value),))


def _merge(value: Mapping[str, JsonValue], *, at: Place) -> Branch:
    """Return the branch of `mixture: {merge: [tasks], weights: ..., method: ...}`.

    It is short for the tasks with their weights as `mixture`, and all other keys as fields of `merge` beside it.
    """
    tasks = _list_of_tasks(value[MERGE], word=MERGE, at=at)
    weights: JsonValue = value.get("weights", {task: 1 / len(tasks) for task in tasks})
    if weights == "simplex":
        weights = {"simplex": [*tasks]}
    if not isinstance(weights, dict):
        rule = "weights of a merge are `simplex`, a mapping of tasks to weights, or a parameter; write one of them"
        raise ConfigError(f"{at.origin}.weights", f"{weights!r} is not one of these: {rule}")
    settings: JsonValue = {key: one for key, one in value.items() if key not in {MERGE, "weights"}}
    phase = at.field.rpartition(".")[0]
    beside = Place(path=_join(at.path, key=MERGE), field=_join(phase, key=MERGE), origin=at.origin)
    return parse_branch(weights, at=at) + parse_branch(settings, at=beside)


def parameter_word(value: JsonValue, *, at: Place) -> ParameterWord | None:
    """Return the word that makes a value a parameter, or None for a fixed value.

    Raises:
        ConfigError: The mapping has two words, or a word and an unknown key.
    """
    if not isinstance(value, dict):
        return None
    words: list[ParameterWord] = [word for word in get_args(ParameterWord) if word in value]
    if not words:
        return None
    unknown = [key for key in value if key not in {words[0], *_OPTIONS}]
    if unknown:
        near = near_matches(unknown[0], _OPTIONS)
        rule = "a parameter has one kind and, optionally, `default` and `when`"
        raise ConfigError(at.origin, f"{unknown[0]!r} is not allowed beside {words[0]!r}{near}; {rule}; remove it")
    return words[0]


def _refuse_unknown_word(value: JsonValue, *, kind: str, at: Place) -> None:
    if not isinstance(value, dict):
        return
    unknown = [key for key, part in value.items() if kind != "mapping" or not isinstance(part, (int, float))]
    if unknown:
        words = get_args(ParameterWord)
        near = near_matches(unknown[0], words)
        raise ConfigError(
            at.origin, f"{unknown[0]!r} is not a kind of parameter{near}; the kinds are {', '.join(words)}"
        )


def _parse_parameter(value: Mapping[str, JsonValue], *, word: ParameterWord, at: Place) -> Parameter:
    content, has_default, default = value[word], "default" in value, value.get("default")
    match word:
        case "choice":
            parameter = _parse_choice(content, at=at)
        case "subset":
            parameter = _parse_subset(content, at=at)
        case "simplex":
            parameter = _parse_simplex(content, at=at, default=default)
        case "int" | "log" | "float":
            return _parse_range(content, word=word, at=at, default=default)
    if isinstance(parameter, ChoiceParameter) and has_default:
        return _with_default(parameter, default=default)
    return parameter


def _with_default(parameter: ChoiceParameter, *, default: JsonValue) -> ChoiceParameter:
    arm = parameter.arm(default)
    if arm is None:
        labels = [str(each.label) for each in parameter.arms]
        near = near_matches(str(default), labels)
        raise ConfigError(
            f"{parameter.origin}.default", f"{default!r} is not an arm{near}; the arms are {', '.join(labels)}"
        )
    return ChoiceParameter(
        path=parameter.path, field=parameter.field, origin=parameter.origin, arms=parameter.arms, default=arm.label
    )


def _parse_choice(content: JsonValue, *, at: Place) -> ChoiceParameter:
    match content:
        case list():
            arms = [_plain_arm(label, at=at) for label in content]
        case dict():
            arms = [Arm(label=label, branch=parse_branch(body, at=at.arm(label))) for label, body in content.items()]
        case _:
            raise ConfigError(at.origin, f"choice is {content!r}; it takes a list of values, or a mapping of arms")
    if not arms:
        raise ConfigError(at.origin, "choice has no arms; list at least one value")
    _refuse_equal_arms(arms, at=at)
    return ChoiceParameter(path=at.path, field=at.field, origin=at.origin, arms=tuple(arms), default=arms[0].label)


def _plain_arm(label: JsonValue, *, at: Place) -> Arm:
    if isinstance(label, (list, dict)):
        raise ConfigError(at.origin, f"the arm {label!r} has no name; write choice as a mapping of names to values")
    return Arm(label=label, branch=parse_branch(label, at=at))


def _refuse_equal_arms(arms: list[Arm], *, at: Place) -> None:
    seen = set[Label]()
    for arm in arms:
        # True == 1 == 1.0 in Python: Optuna could not distinguish such arms.
        if arm.label in seen:
            raise ConfigError(at.origin, f"{arm.label!r} is equal to an earlier arm; keep one of them")
        seen.add(arm.label)


def _parse_subset(content: JsonValue, *, at: Place) -> ChoiceParameter:
    tasks = _task_names(content, word="subset", at=at)
    if len(tasks) > MAX_SUBSET_ITEMS:
        raise ConfigError(
            at.origin,
            f"subset has {len(tasks)} tasks, and can have at most {MAX_SUBSET_ITEMS}; list the wanted sets as a choice",
        )
    sets = [chosen for count in range(1, len(tasks) + 1) for chosen in itertools.combinations(tasks, count)]
    arms = [Arm(label="+".join(chosen), branch=_equal_weights(chosen, at=at)) for chosen in sets]
    return ChoiceParameter(path=at.path, field=at.field, origin=at.origin, arms=tuple(arms), default=arms[0].label)


def _equal_weights(tasks: tuple[str, ...], *, at: Place) -> Branch:
    value: JsonValue = {task: 1 / len(tasks) for task in tasks}
    return Branch(settings=(Setting(field=at.field, origin=at.origin, value=value),))


def _task_names(content: JsonValue, *, word: ParameterWord, at: Place) -> tuple[str, ...]:
    if field_kind(at.field, origin=at.origin) != "mapping":
        raise ConfigError(at.origin, f"{word} sets weights of tasks, which {at.field!r} does not have; use choice")
    return _list_of_tasks(content, word=word, at=at, least=_PAIR)


def _list_of_tasks(content: JsonValue, *, word: str, at: Place, least: int = 1) -> tuple[str, ...]:
    tasks = tuple(task for task in content if isinstance(task, str)) if isinstance(content, list) else ()
    if not isinstance(content, list) or len(tasks) < least or len(tasks) != len(content):
        number = "two" if least == _PAIR else "one"
        raise ConfigError(at.origin, f"{word} is {content!r}; it takes a list of {number} or more task names")
    if len(set(tasks)) != len(tasks):
        raise ConfigError(at.origin, f"{word} has a task twice: {', '.join(tasks)}; list each task once")
    return tasks


def _parse_simplex(content: JsonValue, *, at: Place, default: JsonValue) -> SimplexParameter:
    tasks = _task_names(content, word="simplex", at=at)
    equal = tuple(1 / len(tasks) for _ in tasks)
    parameter = SimplexParameter(path=at.path, field=at.field, origin=at.origin, items=tasks, default=equal)
    if default is None:
        return parameter
    if not isinstance(default, dict) or not parameter.admits(default):
        raise ConfigError(
            f"{at.origin}.default",
            f"{default!r} must have a weight above 0 for each of {', '.join(tasks)}, and the weights must sum to 1",
        )
    weights = tuple(float(default[task]) for task in tasks)  # pyright: ignore[reportArgumentType]  admits() saw numbers
    return SimplexParameter(path=at.path, field=at.field, origin=at.origin, items=tasks, default=weights)


def _parse_range(content: JsonValue, *, word: ParameterWord, at: Place, default: JsonValue) -> Parameter:
    low, high = _ends(content, word=word, at=at)
    if word == "log" and low <= 0:
        raise ConfigError(at.origin, f"log range starts at {low}; a logarithm needs a number above 0")
    if word == "int" or (word == "log" and field_kind(at.field, origin=at.origin) == "integer"):
        return _int_range(low, high=high, log=word == "log", at=at, default=default)
    return _float_range(low, high=high, log=word == "log", at=at, default=default)


def _float_range(low: float, *, high: float, log: bool, at: Place, default: JsonValue) -> FloatParameter:
    chosen = math.sqrt(low * high) if log else (low + high) / 2
    if default is not None:
        if isinstance(default, bool) or not isinstance(default, (int, float)) or not low <= default <= high:
            raise _default_outside(default, low=low, high=high, at=at)
        chosen = float(default)
    ends = (float(low), float(high))
    return FloatParameter(
        path=at.path, field=at.field, origin=at.origin, low=ends[0], high=ends[1], log=log, default=chosen
    )


def _int_range(low: float, *, high: float, log: bool, at: Place, default: JsonValue) -> IntParameter:
    if not (isinstance(low, int) and isinstance(high, int)):
        raise ConfigError(at.origin, f"[{low}, {high}] must be whole numbers here; write them without a decimal point")
    chosen = round(math.sqrt(low * high)) if log else (low + high) // 2
    if default is not None:
        if isinstance(default, bool) or not isinstance(default, int) or not low <= default <= high:
            raise _default_outside(default, low=low, high=high, at=at)
        chosen = default
    return IntParameter(path=at.path, field=at.field, origin=at.origin, low=low, high=high, log=log, default=chosen)


def _default_outside(default: JsonValue, *, low: float, high: float, at: Place) -> ConfigError:
    return ConfigError(f"{at.origin}.default", f"{default!r} is not in [{low}, {high}]; change it, or widen the range")


def _ends(content: JsonValue, *, word: ParameterWord, at: Place) -> tuple[float, float]:
    numbers = [n for n in content if _is_number(n)] if isinstance(content, list) else []
    if not isinstance(content, list) or len(content) != _PAIR or len(numbers) != _PAIR:
        raise ConfigError(
            at.origin, f"{word} is {content!r}; it takes two finite numbers, [low, high]; whole numbers are below 2^63"
        )
    low, high = content
    if not isinstance(low, (int, float)) or not isinstance(high, (int, float)) or low >= high:
        raise ConfigError(
            at.origin, f"[{low}, {high}] is empty; low must be below high (write a single value as a number)"
        )
    return low, high


def _is_number(value: JsonValue) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < _TOO_LARGE if isinstance(value, int) else math.isfinite(value)
