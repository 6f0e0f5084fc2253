"""A source of a licensed corpus in a user's own folder. No torch here."""

from __future__ import annotations

from typing import Literal

from trainables.config.frozen import FrozenModel


class CorpusSource(FrozenModel):
    """A licensed corpus in a user's own folder; `trainables.tasks.supertags` reads it."""

    type: Literal["corpus"] = "corpus"
    variable: str
    """Environment variable that holds the folder. The folder's content is part of keys, its path is not."""
