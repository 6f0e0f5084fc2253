"""The last step of a confirmation: scores every fresh seed of the best arm and the baseline on the test split."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search.compare.comparison import item_notes, num_items
from search.compare.comparison_result import Comparison, GroupComparison
from search.compare.run_reader import RunReader
from search.compare.runs import Group, Run, make_group
from search.compare.verdicts import compare_groups
from search.confirm.diary import Diary
from search.confirm.split_scorer import score_trials
from search.home import Home
from search.record import Record
from spaces.objectives import BENCHMARKS
from spaces.own_tasks import adopt_tasks
from trainables.config.literature import GROUPS
from trainables.tasks.registry import task

if TYPE_CHECKING:
    from trainables.config import TrialConfig
    from trainables.results import TrialResult

ALPHA = 0.05
"""Chance of a wrong verdict in the comparison on the test split."""


def compare_on_test(record: Record, dev: Comparison, *, home: Home, diary: Diary) -> Comparison:
    """Return the comparison on the test split of the arm with the largest dev effect, and record it.

    Args:
        record: Holds the confirmation.
        dev: Its last comparison on the dev split.
        home: The store with the trained stages, and the scratch folder.
        diary: Records the opening before the test split is read.

    Raises:
        InputError: The test split cannot be read.
        RunError: A stage failed.
    """
    adopt_tasks(record.sweep(dev.sweep).own_tasks)
    baseline, arm, *_ = dev.groups
    number = diary.open_test()
    metric = metric_on_test(dev.protocol.metric)
    reader = RunReader(record, sweep=dev.sweep, metric=metric, store=home.store, downloads=home.downloads)
    configs = {trial: reader.trials[trial].trial_config for group in (baseline, arm) for trial in group.trials}
    results = score_trials(configs, home=home)
    tested = [_group(group, reader=reader, results=results, metric=metric) for group in (baseline, arm)]
    protocol = dev.protocol.model_copy(update={"metric": metric, "alpha": ALPHA, "look": 1})
    notes = [] if number == 1 else [f"the test split was opened {number} times; only the first result is unbiased"]
    if metric != dev.protocol.metric:
        notes.append(only_own_task(dev.protocol.metric, config=next(iter(configs.values()))))
    found = dev.model_copy(
        update={
            "protocol": protocol,
            **num_items(tested[0]),
            "groups": compare_groups(tested[1:], baseline=tested[0], protocol=protocol, how=_more(dev)),
            "notes": (*notes, *item_notes(tested, why=reader.why_no_items)),
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
        tested.append(reader.scored(runs[trial], result=result, key=key, score=score))
    return make_group(group.group, tested)


def metric_of(result: TrialResult, metric: str) -> float:
    """Return a result's score: `average`, `english`, `worst`, or a language's."""
    if metric in {"average", "worst"}:
        return float(getattr(result, metric))
    return result.languages["en" if metric == "english" else metric]


def metric_on_test(metric: str) -> str:
    """Return the metric on the test split. A benchmark's average is not known there: some tasks have no test."""
    return "average" if metric in BENCHMARKS else metric


def only_own_task(benchmark: str, *, config: TrialConfig) -> str:
    """Return what a reader of the comparison must know: which tasks of the benchmark have no test split."""
    without = [name for name in GROUPS[benchmark] if "test" not in task(name).splits]
    return (
        f"the test split is that of {config.evaluation.task} alone: {', '.join(without)} of {benchmark} have none, so "
        "its average is not known on test"
    )


def _more(dev: Comparison) -> Callable[[int], str]:
    seeds = max(group.num_intermediate_seeds for group in dev.groups)
    return lambda more: f"xstilts confirm with --seeds {seeds + more}, before the test split is opened"
