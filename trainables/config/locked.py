"""The evaluation on a locked test split. Only `search.confirm` can import it; import-linter checks this."""

from __future__ import annotations

from typing import Literal

from trainables.config.evaluation import EvaluationConfig


class LockedEvaluation(EvaluationConfig):
    """Evaluation at the end of a confirmation. YAML files cannot name it: a trial's evaluation never accepts `test`."""

    split: Literal["test"] = "test"  # pyright: ignore[reportIncompatibleVariableOverride]  (the only other split)
    """Split that a search cannot see."""


def locked(evaluation: EvaluationConfig) -> LockedEvaluation:
    """Return the evaluation of the same task in the same languages on the whole test split."""
    fields = evaluation.model_dump(exclude={"split", "num_items"})
    return LockedEvaluation.model_validate(fields)
