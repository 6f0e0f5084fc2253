"""Configuration of the zero-shot evaluation that scores a trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast  # Any: what a user wrote, before it is checked

from pydantic import Field, field_validator, model_validator

from trainables.config.frozen import FrozenModel
from trainables.config.literature import LITERATURE
from trainables.config.pass_tokens import UNSETTLED_PASS_TOKENS, tokens_or_auto

XNLI_LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
"""The 15 languages of XNLI (Conneau et al. 2018, arXiv 1809.05053, table 1)."""


class EvaluationConfig(FrozenModel):
    """Evaluation after the target phase. The test split cannot be chosen here: it stays locked."""

    task: str = "xnli"
    """Task that is scored, separately in each language."""
    split: Literal["validation"] = "validation"
    """Split that the search can see."""
    languages: tuple[str, ...] = Field(default=XNLI_LANGUAGES, min_length=1, strict=False)
    """Language codes, each at most once. The default is the literature's. The `english` objective needs `en`."""
    num_items: int | None = Field(default=None, ge=1, lt=2**31)
    """Items per language (the first ones, the same in every language); None scores all."""
    max_length: int = Field(default=128, ge=8, le=512)
    """Maximum length of an input in tokens (XTREME, arXiv 2003.11080: 128)."""
    tokens_per_micro_batch: int | Literal["auto"] = "auto"
    """Tokens of one forward pass, including padding; 64 or more. `auto`: on GPUs four times those of a training pass,
    4,096 on the CPU."""
    layer: int | None = Field(default=None, ge=1, lt=2**31)
    """Retrieval only: layer whose mean states are compared. None: one above the middle (XTREME: 7 of 12, 13 of 24)."""
    similarity: Literal["cosine", "margin"] = "cosine"
    """Retrieval only: `cosine`, or `margin`, its ratio to the neighbours' cosine (Artetxe and Schwenk, 1811.01136)."""

    @model_validator(mode="before")
    @classmethod
    def _languages_of_the_task(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or "languages" in values:
            return values
        given = cast("Mapping[str, Any]", values)
        known = LITERATURE.get(str(given.get("task", "xnli")))
        return {**given, "languages": known.languages} if known else given

    @property
    def pass_tokens(self) -> int:
        """Tokens of a pass; 4,096 where `tokens_per_micro_batch` is `auto` and nothing has settled it."""
        return UNSETTLED_PASS_TOKENS if self.tokens_per_micro_batch == "auto" else self.tokens_per_micro_batch

    @field_validator("tokens_per_micro_batch", mode="before")
    @classmethod
    def _tokens_or_auto(cls, value: object) -> object:
        return tokens_or_auto(value)

    @field_validator("languages")
    @classmethod
    def _distinct(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(languages)) != len(languages):
            msg = f"a language is listed twice in {' '.join(languages)}; list each language once"
            raise ValueError(msg)
        return languages
