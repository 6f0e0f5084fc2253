"""What the licences of a model's training data say about publishing the model.

Tasks state their licences as their sources do, in words. The words are read here, carefully: this is a reminder to read
the licence, and no legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from search.errors import InputError
from trainables.tasks.spec import TaskSpec

Concern = Literal["forbidden", "not commercial", "same licence", "unknown", "none"]
"""What a licence says, the strictest first: it limits copies to research or to its signatories; it excludes commercial
use; adaptations need the same licence; nobody stated one; or none of these."""

_WORDS: tuple[tuple[Concern, re.Pattern[str]], ...] = (
    ("forbidden", re.compile(r"research (only|use)|user agreement|\bBY(-NC)?-ND\b|no derivatives", re.IGNORECASE)),
    ("not commercial", re.compile(r"\bNC\b|not for commercial|non-?commercial", re.IGNORECASE)),
    ("same licence", re.compile(r"\bSA\b|share-?alike|\bGPL", re.IGNORECASE)),
    ("unknown", re.compile(r"unknown|not stated|^\W*$|owners keep their rights|under Flickr's terms", re.IGNORECASE)),
)

_ADVICE: dict[Concern, str] = {
    "forbidden": "its data must not be passed on; ask whether a model of it may be",
    "not commercial": "excludes commercial use, also of what is made from it",
    "same licence": "adaptations must have the same licence",
    "unknown": "no licence is stated; ask its owner",
    "none": "asks for attribution at most",
}


class LicenceForbidsError(InputError):
    """A model is not uploaded because of the licence of its training data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLicence:
    """The licence of one task, and what it says about publishing a model."""

    task: str
    licence: str
    """As the source states it."""
    concern: Concern

    def words(self) -> str:
        """Return the licence, and what it says."""
        return f"{self.licence} ({_ADVICE[self.concern]})"

    def line(self) -> str:
        """Return the task with its licence as one line of text."""
        return f"{self.task}: {self.words()}"


def read_licences(tasks: Iterable[TaskSpec]) -> tuple[TaskLicence, ...]:
    """Return the licence of each task that a model is trained on."""
    return tuple(TaskLicence(task=task.name, licence=task.licence, concern=concern_of(task.licence)) for task in tasks)


def concern_of(licence: str) -> Concern:
    """Return the strictest thing that the words of a licence say."""
    for concern, words in _WORDS:
        if words.search(licence):
            return concern
    return "none"


def check_licences(licences: Iterable[TaskLicence]) -> None:
    """Refuse a model whose data has a licence that forbids passing it on.

    Raises:
        LicenceForbidsError: There is such a task.
    """
    found = [licence for licence in licences if licence.concern == "forbidden"]
    if found:
        listed = "; ".join(licence.line() for licence in found)
        msg = (
            f"the model is not uploaded, because of the licences of its training data: {listed}. If you have the right "
            "to publish it, add --despite-licences"
        )
        raise LicenceForbidsError(msg)
