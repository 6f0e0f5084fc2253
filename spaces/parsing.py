"""From the values of a YAML document to the tree of a space.

A value is a parameter when it is a mapping with one of the words of `ParameterWord`; any other mapping at a field that
has fields of its own goes one level deeper; anything else is a fixed setting. Keys may be dotted:
`target.learning_rate`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from pydantic import JsonValue

from spaces.conditions import read_condition
from spaces.fields import field_kind
from spaces.parameters import FloatParameter, IntParameter, SimplexParameter
from spaces.tree import Arm, Branch, ChoiceParameter, Label, Parameter, Setting
from trainables.errors import ConfigError, near_matches

ParameterWord = Literal["float", "int", "log", "choice", "simplex", "subset"]
"""`float`, `int` and `log` take [low, high]; `choice` a list of values or a mapping of arms; others a list of tasks."""

MAX_SUBSET_ITEMS = 6
"""A `subset` becomes a choice with 2^n - 1 arms; a sampler learns little about more than 63."""

_PAIR = 2
_TOO_LARGE = 2**63
"""Samplers count in 64 bits."""

_BESIDE = ("default", "when")
"""What may stand beside the word of a parameter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in the assignment (`path`), the TrialConfig (`field`) and the spec (`origin`) a value stands."""

    path: str
    field: str
    origin: str

    def child(self, key: str) -> Place:
        """Return the place of a field below this one.

        Raises:
            ConfigError: A part of the key is empty, so that it would name this place.
        """
        if "" in key.split("."):
            raise ConfigError(
                self.origin, f"{key!r} names no field: a part of it is empty; write its name, or remove it"
            )
        return Place(
            path=_join(self.path, key=key), field=_join(self.field, key=key), origin=_join(self.origin, key=key)
        )

    def arm(self, label: Label) -> Place:
        """Return the place of an arm of a choice that stands here: the same field, further parameters."""
        return Place(path=f"{self.path}.{label}", field=self.field, origin=f"{self.origin}.choice.{label}")


def _join(prefix: str, *, key: str) -> str:
    return f"{prefix}.{key}" if prefix else key


def parse_branch(value: JsonValue, *, at: Place) -> Branch:
    """Return the settings and parameters that a value stands for.

    Args:
        value: The value in the spec.
        at: Its place.

    Raises:
        ConfigError: The value is malformed, or names a field that does not exist.
    """
    kind = field_kind(at.field, origin=at.origin)
    if kind == "entries":
        return Branch(settings=(Setting(field=at.field, origin=at.origin, value=value),))
    word = parameter_word(value, at=at)
    if word is not None and isinstance(value, dict):
        parameter = _parse_parameter(value, word=word, at=at)
        if "when" in value:
            parameter = replace(parameter, when=read_condition(value["when"], origin=f"{at.origin}.when"))
        return Branch(parameters=(parameter,))
    if kind == "model" and isinstance(value, dict):
        parts = [parse_branch(part, at=at.child(key)) for key, part in value.items()]
        return sum(parts, Branch(settings=(Setting(field=at.field, origin=at.origin, value={}),)))
    if kind == "mapping" and isinstance(value, str):
        value = {value: 1.0}
    _refuse_unknown_word(value, kind=kind, at=at)
    return Branch(settings=(Setting(field=at.field, origin=at.origin, value=value),))


def parameter_word(value: JsonValue, *, at: Place) -> ParameterWord | None:
    """Return the word that makes a value a parameter, or None for a fixed value.

    Raises:
        ConfigError: The mapping holds two words, or a word beside unknown keys.
    """
    if not isinstance(value, dict):
        return None
    words: list[ParameterWord] = [word for word in get_args(ParameterWord) if word in value]
    if not words:
        return None
    unknown = [key for key in value if key not in {words[0], *_BESIDE}]
    if unknown:
        near = near_matches(unknown[0], _BESIDE)
        raise ConfigError(
            at.origin,
            f"{unknown[0]!r} cannot stand beside {words[0]!r}{near}; a parameter has one kind, a default and a `when`",
        )
    return words[0]


def _refuse_unknown_word(value: JsonValue, *, kind: str, at: Place) -> None:
    if not isinstance(value, dict):
        return
    odd = [key for key, part in value.items() if kind != "mapping" or not isinstance(part, (int, float))]
    if odd:
        words = get_args(ParameterWord)
        raise ConfigError(
            at.origin, f"{odd[0]!r} is no kind of parameter{near_matches(odd[0], words)}; kinds: {', '.join(words)}"
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
            f"{parameter.origin}.default", f"{default!r} is no arm{near}; the arms are {', '.join(labels)}"
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
    _refuse_twins(arms, at=at)
    return ChoiceParameter(path=at.path, field=at.field, origin=at.origin, arms=tuple(arms), default=arms[0].label)


def _plain_arm(label: JsonValue, *, at: Place) -> Arm:
    if isinstance(label, (list, dict)):
        raise ConfigError(
            at.origin, f"{label!r} in a list of arms has no name; write choice as a mapping of names to values"
        )
    return Arm(label=label, branch=parse_branch(label, at=at))


def _refuse_twins(arms: list[Arm], *, at: Place) -> None:
    seen = set[Label]()
    for arm in arms:
        # True == 1 == 1.0 in Python: Optuna could not tell such arms apart.
        if arm.label in seen:
            raise ConfigError(at.origin, f"{arm.label!r} stands twice among the arms; keep one")
        seen.add(arm.label)


def _parse_subset(content: JsonValue, *, at: Place) -> ChoiceParameter:
    tasks = _task_names(content, word="subset", at=at)
    if len(tasks) > MAX_SUBSET_ITEMS:
        raise ConfigError(
            at.origin, f"subset of {len(tasks)} tasks; at most {MAX_SUBSET_ITEMS} (list the wanted sets as a choice)"
        )
    sets = [chosen for count in range(1, len(tasks) + 1) for chosen in itertools.combinations(tasks, count)]
    arms = [Arm(label="+".join(chosen), branch=_equal_weights(chosen, at=at)) for chosen in sets]
    return ChoiceParameter(path=at.path, field=at.field, origin=at.origin, arms=tuple(arms), default=arms[0].label)


def _equal_weights(tasks: tuple[str, ...], *, at: Place) -> Branch:
    value: JsonValue = {task: 1 / len(tasks) for task in tasks}
    return Branch(settings=(Setting(field=at.field, origin=at.origin, value=value),))


def _task_names(content: JsonValue, *, word: ParameterWord, at: Place) -> tuple[str, ...]:
    if field_kind(at.field, origin=at.origin) != "mapping":
        raise ConfigError(at.origin, f"{word} gives weights of tasks, which {at.field!r} does not hold; use choice")
    tasks = tuple(task for task in content if isinstance(task, str)) if isinstance(content, list) else ()
    if not isinstance(content, list) or len(tasks) < _PAIR or len(tasks) != len(content):
        raise ConfigError(at.origin, f"{word} is {content!r}; it takes a list of two or more task names")
    if len(set(tasks)) != len(tasks):
        raise ConfigError(at.origin, f"a task stands twice in {', '.join(tasks)}; list each once")
    return tasks


def _parse_simplex(content: JsonValue, *, at: Place, default: JsonValue) -> SimplexParameter:
    tasks = _task_names(content, word="simplex", at=at)
    equal = tuple(1 / len(tasks) for _ in tasks)
    parameter = SimplexParameter(path=at.path, field=at.field, origin=at.origin, items=tasks, default=equal)
    if default is None:
        return parameter
    if not isinstance(default, dict) or not parameter.admits(default):
        raise ConfigError(
            f"{at.origin}.default", f"{default!r} must give each of {', '.join(tasks)} a weight above 0, summing to 1"
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
        raise ConfigError(at.origin, f"[{low}, {high}] must be whole numbers here; write them without a point")
    chosen = round(math.sqrt(low * high)) if log else (low + high) // 2
    if default is not None:
        if isinstance(default, bool) or not isinstance(default, int) or not low <= default <= high:
            raise _default_outside(default, low=low, high=high, at=at)
        chosen = default
    return IntParameter(path=at.path, field=at.field, origin=at.origin, low=low, high=high, log=log, default=chosen)


def _default_outside(default: JsonValue, *, low: float, high: float, at: Place) -> ConfigError:
    return ConfigError(f"{at.origin}.default", f"{default!r} is not in [{low}, {high}]; move it or widen the range")


def _ends(content: JsonValue, *, word: ParameterWord, at: Place) -> tuple[float, float]:
    numbers = [n for n in content if _is_number(n)] if isinstance(content, list) else []
    if not isinstance(content, list) or len(content) != _PAIR or len(numbers) != _PAIR:
        raise ConfigError(
            at.origin, f"{word} is {content!r}; it takes two finite numbers, [low, high], whole ones below 2^63"
        )
    low, high = content
    if not isinstance(low, (int, float)) or not isinstance(high, (int, float)) or low >= high:
        raise ConfigError(at.origin, f"[{low}, {high}] is empty; low must be below high (one value: write it alone)")
    return low, high


def _is_number(value: JsonValue) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < _TOO_LARGE if isinstance(value, int) else math.isfinite(value)
