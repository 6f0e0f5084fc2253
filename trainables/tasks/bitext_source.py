"""A source of two comparable corpora, with the pairs that are translations, in a user's own folder. No torch here."""

from __future__ import annotations

from typing import Literal

from trainables.config.frozen import FrozenModel


class BitextSource(FrozenModel):
    """Sentences of a language and of English, as XTREME lays out BUCC.

    `trainables.data.sources.own_folders.bitexts` reads them.

    For each language there are three files: `<language>-en.<split>.<language>` and `<language>-en.<split>.en`, with
    `id<TAB>sentence` in each line, and `<language>-en.<split>.gold`, with `id<TAB>English id` in each line.
    """

    type: Literal["bitext"] = "bitext"
    variable: str
    """Environment variable that holds the folder. The folder's content is part of keys, its path is not."""
