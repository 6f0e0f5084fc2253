"""How a trial is scored: the zero-shot evaluation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from trainables.config.frozen import FrozenModel
from trainables.errors import near_matches

XNLI_LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
"""The 15 languages of XNLI (Conneau et al. 2018, arXiv 1809.05053, table 1)."""


class EvaluationConfig(FrozenModel):
    """What is scored after the target phase. The test split is not offered here: it stays locked."""

    task: str = "xnli"
    """Task whose labels are predicted; one configuration per language."""
    split: Literal["validation"] = "validation"
    """Split that the search may see."""
    languages: tuple[str, ...] = Field(default=XNLI_LANGUAGES, min_length=1, strict=False)
    """Language codes, each at most once; `en` is scored for the `english` objective."""
    num_items: int | None = Field(default=None, ge=1)
    """Items a language (the first ones, the same in every language); None scores all."""
    max_length: int = Field(default=128, ge=8, le=512)
    """Longest input in tokens (XTREME, arXiv 2003.11080: 128)."""
    tokens_per_micro_batch: int = Field(default=4096, ge=64)
    """Tokens, padding included, of one forward pass."""

    @field_validator("languages")
    @classmethod
    def _known_and_distinct(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        for language in languages:
            if language not in XNLI_LANGUAGES:
                near = near_matches(language, XNLI_LANGUAGES)
                msg = f"XNLI has no language {language!r}{near}; it has {' '.join(XNLI_LANGUAGES)}"
                raise ValueError(msg)
        if len(set(languages)) != len(languages):
            msg = f"a language stands twice in {' '.join(languages)}; list each once"
            raise ValueError(msg)
        return languages
