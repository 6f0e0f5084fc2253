"""Which rows of a source belong to a language, where one file or configuration holds several languages."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from trainables.config.frozen import FrozenModel

_LANGUAGE = "{language}"


class RowFilter(FrozenModel):
    """Keeps the rows whose text in one column starts with a prefix."""

    column: str = Field(min_length=1)
    """Column of the source; the task need not read it otherwise."""
    prefix: str = Field(min_length=1)
    """How the text of a kept row starts. `{language}` in it is replaced by the requested language."""

    def start(self, language: str, *, names: Mapping[str, str]) -> str:
        """Return how the text of a row of a language starts.

        Args:
            language: Language code.
            names: Language code -> the source's name of the language, where the two differ.
        """
        return self.prefix.replace(_LANGUAGE, names.get(language, language))
