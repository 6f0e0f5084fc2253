"""Auxiliary training data of an intermediate phase: unlabelled texts in other languages, or translations of the tasks.

Phang et al. 2020 (arXiv 2005.13013) use these two so that the encoder does not forget the other languages.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from trainables.config.frozen import FrozenModel

BESIDE_TASK = "masked_lm_beside"
"""Name of the texts beside a phase among the phase's tasks."""

LanguageCode = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
"""A language code as the source writes it: `de`, `zh-Hans`, `zh_classical`."""


class MaskedLmBeside(FrozenModel):
    """Auxiliary masked LM on texts in any languages, with a fixed share of the phase's examples."""

    texts: str = Field(min_length=1)
    """A folder with `<language>.txt` or `<language>/*.txt`, one text a line; or a repository: wikimedia/wikipedia."""
    languages: tuple[LanguageCode, ...] = Field(min_length=1, strict=False)
    """Languages. Each has the same number of texts, so all are drawn equally often."""
    ratio: float = Field(gt=0, lt=1)
    """Share of the phase's examples that are such texts; the tasks share the rest by their weights."""
    num_texts: int = Field(default=10_000, ge=2, lt=2**31)
    """Number of texts of each language, from the start: lines of a file, or paragraphs of a repository's articles."""

    @field_validator("languages")
    @classmethod
    def _distinct(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        return _without_duplicates(languages)


class BesideConfig(FrozenModel):
    """Auxiliary training data of an intermediate phase; at least one of the two fields is set."""

    masked_lm: MaskedLmBeside | None = None
    """Multilingual masked LM, or None."""
    translations: tuple[LanguageCode, ...] = Field(default=(), strict=False)
    """Languages in which each task's training split is trained on too; each task must have them."""

    @field_validator("translations")
    @classmethod
    def _distinct(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        if "en" in languages:
            msg = (
                "'en' has no effect: English is the language that is translated, and it is trained on anyway; remove it"
            )
            raise ValueError(msg)
        return _without_duplicates(languages)

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if self.masked_lm is None and not self.translations:
            msg = "has no effect without `masked_lm` or `translations`; give one of them, or remove `beside`"
            raise ValueError(msg)
        return self


def _without_duplicates(languages: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(languages)) != len(languages):
        msg = f"a language is listed twice in {' '.join(languages)}; list each language once"
        raise ValueError(msg)
    return languages
