"""The last step of a confirmation: the best arm and the baseline on the locked test split, every fresh seed of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from search.compare.answers import Comparison, GroupComparison
from search.compare.comparing import compare_groups
from search.compare.reading import RunReader
from search.compare.runs import Group, Run, make_group
from search.confirm.diary import Diary
from search.confirm.scoring import score_trials
from search.home import Home
from search.record import Record
from spaces.own_tasks import adopt_tasks

if TYPE_CHECKING:
    from trainables.results import TrialResult

ALPHA = 0.05
"""Chance of a wrong verdict of the one look at the test split."""


def compare_on_test(record: Record, dev: Comparison, *, home: Home, diary: Diary) -> Comparison:
    """Return the comparison on the test split of the arm with the largest dev effect; recorded before it is returned.

    Args:
        record: Holds the confirmation.
        dev: Its last look.
        home: Store with the trained stages, scratch.
        diary: Takes note of the opening, before anything is read.

    Raises:
        InputError: The test split cannot be read.
        RunError: A stage failed.
    """
    adopt_tasks(record.sweep(dev.sweep).own_tasks)
    baseline, arm, *_ = dev.groups
    number = diary.open_test()
    reader = RunReader(record, sweep=dev.sweep, metric=dev.protocol.metric, store=home.store)
    configs = {trial: reader.trials[trial].trial_config for group in (baseline, arm) for trial in group.trials}
    results = score_trials(configs, home=home)
    tested = [_group(group, reader=reader, results=results, metric=dev.protocol.metric) for group in (baseline, arm)]
    protocol = dev.protocol.model_copy(update={"alpha": ALPHA, "look": 1})
    items = tested[0].items_CN()
    once_more = f"the test split was opened {number} times: only the first answer was free of choice"
    found = dev.model_copy(
        update={
            "protocol": protocol,
            "num_items": None if items is None else items.shape[1],
            "groups": compare_groups(tested[1:], baseline=tested[0], protocol=protocol, how=_more(dev)),
            "notes": (once_more,) if number > 1 else (),
        }
    )
    diary.write_tested(found.model_dump(mode="json"))
    return found


def _group(group: GroupComparison, *, reader: RunReader, results: dict[int, TrialResult], metric: str) -> Group:
    runs = reader.runs()
    tested: list[Run] = []
    for trial in group.trials:
        result = results[trial]
        score = metric_of(result, metric)
        key = next(stage.key for stage in result.stages if stage.phase == "evaluation")
        items_N = reader.items(result, key=key, score=score)
        tested.append(replace(runs[trial], lineage=key, score=score, items_N=items_N))
    return make_group(group.group, tested)


def metric_of(result: TrialResult, metric: str) -> float:
    """Return a result's score: `average`, `english`, `worst`, or a language's."""
    if metric in {"average", "worst"}:
        return float(getattr(result, metric))
    return result.languages["en" if metric == "english" else metric]


def _more(dev: Comparison) -> Callable[[int], str]:
    seeds = max(group.num_intermediate_seeds for group in dev.groups)
    return lambda more: f"xstilts confirm with --seeds {seeds + more}, before the test split is opened"
