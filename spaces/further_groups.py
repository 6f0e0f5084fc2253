"""Replaces the name of a benchmark under `further` by its tasks: what is recorded keeps its meaning."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from trainables.config import EvaluationConfig
from trainables.config.literature import GROUPS

EARLIER_GROUPS: Mapping[str, tuple[str, ...]] = {
    "xtreme": ("xnli", "paws_x", "udpos", "panx", "xquad", "mlqa", "tatoeba"),
    "xtreme_r": ("xnli", "xcopa", "udpos", "panx", "xquad", "mlqa", "tatoeba"),
}
"""What the names meant in versions that wrote them into records: the tasks that could be read then."""


def with_tasks_named(trial: JsonValue, *, groups: Mapping[str, tuple[str, ...]] = GROUPS) -> JsonValue:
    """Return a trial's fields with a list of tasks in place of the name of a benchmark.

    Args:
        trial: The fields as a user wrote them; keys can be dotted. They are not changed.
        groups: Benchmark -> its tasks; another name stays, and is refused where the trial is checked.
    """
    if not isinstance(trial, dict) or not isinstance(group := trial.get("further"), str) or group not in groups:
        return trial
    main = _main_task(trial)
    names: list[JsonValue] = [name for name in groups[group] if name != main]
    return {**trial, "further": names}


def _main_task(trial: Mapping[str, JsonValue]) -> JsonValue:
    evaluation = trial.get("evaluation")
    default = EvaluationConfig.model_fields["task"].default
    within = evaluation.get("task", default) if isinstance(evaluation, dict) else default
    return trial.get("evaluation.task", within)
