"""A source of plain texts without labels, by language. No torch here."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from trainables.config.frozen import FrozenModel


class TextsSource(FrozenModel):
    """Plain texts by language, from a folder or a repository; `trainables.data.sources.texts` reads them."""

    type: Literal["texts"] = "texts"
    folder: str | None = None
    """Absolute path of a folder with `<language>.txt` or `<language>/*.txt`. Never part of a key."""
    repository: str | None = None
    """`owner/name`, instead of a folder; its column `text` holds articles."""
    config: str | None = None
    """Configuration of a language in the repository; `{language}` in it is replaced."""
    revision: str | None = None
    """Pinned commit of the repository; None for a repository that the user chose."""
    num_texts: int = Field(ge=2)
    """Number of texts of each language: the first ones are read."""

    @property
    def place(self) -> str:
        """The folder or the repository, for messages."""
        return self.folder or self.repository or ""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.folder is None) == (self.repository is None):
            msg = "texts are read from one place; give exactly one of `folder` and `repository`"
            raise ValueError(msg)
        return self
