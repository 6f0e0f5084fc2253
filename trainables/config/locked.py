"""The evaluation on a locked test split. Only `search.confirm` may ask for it; import-linter holds the door shut."""

from __future__ import annotations

from typing import Literal

from trainables.config.evaluation import EvaluationConfig


class LockedEvaluation(EvaluationConfig):
    """What is scored once a confirmation has ended. No YAML can name it: a trial's own evaluation refuses the split."""

    split: Literal["test"] = "test"  # pyright: ignore[reportIncompatibleVariableOverride]  (the one other split there is)
    """Split that a search may not see."""


def locked(evaluation: EvaluationConfig) -> LockedEvaluation:
    """Return the evaluation of the same task in the same languages on the whole test split."""
    fields = evaluation.model_dump(exclude={"split", "num_items"})
    return LockedEvaluation.model_validate(fields)
