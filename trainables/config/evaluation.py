"""How a trial is scored: the zero-shot evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast  # Any: what a user wrote, before it is checked

from pydantic import Field, field_validator, model_validator

from trainables.config.frozen import FrozenModel
from trainables.config.literature import LITERATURE

XNLI_LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
"""The 15 languages of XNLI (Conneau et al. 2018, arXiv 1809.05053, table 1)."""


class EvaluationConfig(FrozenModel):
    """What is scored after the target phase. The test split is not offered here: it stays locked."""

    task: str = "xnli"
    """Task that is scored, in each language by itself."""
    split: Literal["validation"] = "validation"
    """Split that the search may see."""
    languages: tuple[str, ...] = Field(default=XNLI_LANGUAGES, min_length=1, strict=False)
    """Language codes, each at most once; left out, those of the literature. `en` is for the `english` objective."""
    num_items: int | None = Field(default=None, ge=1)
    """Items a language (the first ones, the same in every language); None scores all."""
    max_length: int = Field(default=128, ge=8, le=512)
    """Longest input in tokens (XTREME, arXiv 2003.11080: 128)."""
    tokens_per_micro_batch: int = Field(default=4096, ge=64)
    """Tokens, padding included, of one forward pass."""
    layer: int | None = Field(default=None, ge=1)
    """Retrieval only: layer whose mean states are compared; None: one above the middle (XTREME: 7 of 12, 13 of 24)."""
    similarity: Literal["cosine", "margin"] = "cosine"
    """Retrieval only: `cosine`, or `margin`: its ratio to the neighbours' (Artetxe and Schwenk 2019, 1811.01136)."""

    @model_validator(mode="before")
    @classmethod
    def _languages_of_the_task(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or "languages" in values:
            return values
        given = cast("Mapping[str, Any]", values)
        known = LITERATURE.get(str(given.get("task", "xnli")))
        return {**given, "languages": known.languages} if known else given

    @field_validator("languages")
    @classmethod
    def _distinct(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(languages)) != len(languages):
            msg = f"a language stands twice in {' '.join(languages)}; list each once"
            raise ValueError(msg)
        return languages
