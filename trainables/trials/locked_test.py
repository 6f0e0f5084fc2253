"""Scoring a trial on the locked test split; see `trainables.config.locked` for who may."""

from __future__ import annotations

from trainables.config import TrialConfig
from trainables.config.locked import locked
from trainables.data.sources.readable import check_readable
from trainables.errors import ConfigError
from trainables.results import TrialResult
from trainables.tasks.registry import task
from trainables.trials.stage_maker import TrialResources
from trainables.trials.trial import run_trial


def check_has_test(config: TrialConfig) -> None:
    """Check that the trial's evaluation task has a test split; reads none of it.

    Raises:
        ConfigError: It has none.
    """
    spec = task(config.evaluation.task)
    if "test" not in spec.splits:
        has = ", ".join(spec.splits)
        raise ConfigError("evaluation.task", f"{spec.name!r} has no test split; it has {has}; confirm with --no-test")


def score_test(config: TrialConfig, *, resources: TrialResources) -> TrialResult:
    """Return what a trial scores on the test split. Its training stages are taken from the store.

    Args:
        config: The trial, which has run.
        resources: Store and ranks.

    Raises:
        InputError: The test split cannot be read.
        RunError: A stage failed.
    """
    check_has_test(config)
    evaluation = locked(config.evaluation)
    spec = task(evaluation.task)
    for language in evaluation.languages:
        check_readable(spec, split=evaluation.split, language=language)
    opened = config.model_copy(update={"evaluation": evaluation, "further": {}})
    return run_trial(opened, resources=resources)
