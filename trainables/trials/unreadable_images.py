"""Warns about examples that a stage left out because their images cannot be decoded."""

from __future__ import annotations

import logging

from trainables.stage_store import StageFacts

log = logging.getLogger(__name__)


def log_unreadable_images(facts: StageFacts) -> None:
    """Log a warning for each trained task with examples that were left out.

    Args:
        facts: The facts of a stage, made now or earlier.
    """
    for name, training in facts.tasks.items():
        if training.num_unreadable:
            log.warning(
                "%s phase: %d examples of %s are left out: their images cannot be decoded; the other %d are used",
                facts.phase,
                training.num_unreadable,
                name,
                training.size,
            )
