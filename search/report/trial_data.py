"""The trials of a report as JSON for the page's script: what a row of the table shows when it is opened.

A sweep of 2,000 trials must fit. So a field that has one value in all trials is written once, other fields as indices
into their distinct values, and each stage once with the trials that use it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from search.record import JsonObject, StageRow
from search.report.listed_trials import ListedTrial

MAX_PROBLEM = 600
"""Characters of an error that the page shows; `xstilts show` prints all of it."""

_NUM_KEY_DIGITS = 12


def trial_data(trials: Sequence[ListedTrial]) -> str:
    """Return the JSON, without a `<`, so that it can stand in a script element."""
    languages = sorted({code for trial in trials for code in trial.languages})
    stages = _Stages(trials)
    data = {
        "languages": languages,
        "fields": _fields(trials),
        "stages": stages.rows,
        "trials": [
            {
                "n": trial.number,
                "family": trial.family,
                "state": trial.state,
                "rung": trial.rung,
                "score": _rounded(trial.score),
                "tasks": trial.tasks,
                "scores": [_rounded(trial.languages.get(code)) for code in languages] if trial.languages else [],
                "searched": trial.assignment,
                "seconds": round(trial.seconds, 1),
                "alone": round(trial.alone_seconds, 1),
                "stages": stages.used_by(trial),
            }
            | ({"problem": _short(trial.problem)} if trial.problem else {})
            for trial in trials
        ],
    }
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def _fields(trials: Sequence[ListedTrial]) -> list[JsonObject]:
    """Return each field of the configurations: its path, its distinct values, and the index of each trial's value.

    A field without `of` has its only value in all trials; the index -1 means that a trial does not have the field.
    """
    flat = [dict(_walk(trial.config)) for trial in trials]
    paths = dict.fromkeys(path for fields in flat for path in fields)
    found: list[JsonObject] = []
    for path in paths:
        # By `repr`: it tells 1, 1.0 and True apart, and is faster than JSON.
        texts = [repr(fields[path]) if path in fields else "" for fields in flat]
        values = {text: fields[path] for text, fields in zip(texts, flat, strict=True) if text}
        places = {text: place for place, text in enumerate(values)} | {"": -1}
        field: JsonObject = {"path": list(path), "values": list(values.values())}
        if len(values) > 1 or "" in texts:
            field["of"] = [places[text] for text in texts]
        found.append(field)
    return found


def _walk(section: JsonObject, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], JsonValue]]:
    """Yield path and value of each field that is no mapping, and of empty mappings."""
    for name, value in section.items():
        if isinstance(value, dict) and value:
            yield from _walk(value, (*path, name))
        else:
            yield (*path, name), value


class _Stages:
    """The distinct stages of all trials."""

    def __init__(self, trials: Sequence[ListedTrial]) -> None:
        self.rows: list[list[object]] = []
        """Phase, digits of the key, steps, seconds, and the number of the trial that made it or None."""
        self._places: dict[str, int] = {}
        for trial in trials:
            for stage in trial.stages:
                self._add(stage)

    def _add(self, stage: StageRow) -> None:
        if stage.key not in self._places:
            self._places[stage.key] = len(self.rows)
            phase = f"{stage.phase}, trunk" if stage.is_trunk else stage.phase
            name = f"{phase} for {stage.further}" if stage.further else phase
            self.rows.append([name, stage.key[:_NUM_KEY_DIGITS], stage.steps, round(stage.seconds, 1), None])
        if not stage.reused:
            self.rows[self._places[stage.key]][4] = stage.trial

    def used_by(self, trial: ListedTrial) -> list[int]:
        """Return the places of a trial's stages in `rows`."""
        return [self._places[stage.key] for stage in trial.stages]


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 5)


def _short(text: str) -> str:
    return text if len(text) <= MAX_PROBLEM else f"{text[: MAX_PROBLEM - 1]}…"
