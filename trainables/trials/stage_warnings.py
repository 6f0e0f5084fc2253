"""Warnings of a stage, from the facts in its manifest: the trial's process logs them, whichever process made it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainables.ranks.jobs import NO_ROOM

if TYPE_CHECKING:
    from trainables.stage_store import StageFacts

log = logging.getLogger(__name__)


def log_warnings(facts: StageFacts, *, reused: bool) -> None:
    """Log what a user must know of a stage: images that cannot be decoded, and a cache that was too small.

    Args:
        facts: The stage's facts.
        reused: Whether the stage was made before; what only made it slower is then left out.
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
    if NO_ROOM in facts.made_with and not reused:
        log.warning("%s phase: %s", facts.phase, facts.made_with[NO_ROOM])
