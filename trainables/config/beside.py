"""What stands beside an intermediate task: text in other languages without labels, or translated copies of the task.

The two alternatives of Phang et al. 2020 (arXiv 2005.13013) against forgetting the other languages.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from trainables.config.frozen import FrozenModel

LanguageCode = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
"""A language as the source spells it: `de`, `zh-Hans`, `zh_classical`."""


class MaskedLmBeside(FrozenModel):
    """Masked-LM steps on texts in any set of languages, at a fixed share of the phase's examples."""

    texts: str = Field(min_length=1)
    """A folder with `<language>.txt` or `<language>/*.txt`, a text a line; or a repository: wikimedia/wikipedia."""
    languages: tuple[LanguageCode, ...] = Field(min_length=1, strict=False)
    """Languages, each with as many texts, so drawn alike."""
    ratio: float = Field(gt=0, lt=1)
    """Share of the phase's examples that are such texts; the tasks share the rest by their weights."""
    num_texts: int = Field(default=10_000, ge=2)
    """Texts of a language, the first ones: lines of a file, or paragraphs of a repository's articles."""

    @field_validator("languages")
    @classmethod
    def _distinct(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        return _each_once(languages)


class BesideConfig(FrozenModel):
    """What an intermediate phase has beside its tasks; at least one of the two."""

    masked_lm: MaskedLmBeside | None = None
    """Multilingual masked LM, or None."""
    translations: tuple[LanguageCode, ...] = Field(default=(), strict=False)
    """Languages whose copies of each task's training split are trained on too; each task must offer them."""

    @field_validator("translations")
    @classmethod
    def _distinct(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        if "en" in languages:
            msg = "'en' is what is translated, and trained on anyway; leave it out"
            raise ValueError(msg)
        return _each_once(languages)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.masked_lm is None and not self.translations:
            msg = "has no effect without `masked_lm` or `translations`; give one, or leave `beside` out"
            raise ValueError(msg)
        return self


def _each_once(languages: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(languages)) != len(languages):
        msg = f"a language stands twice in {' '.join(languages)}; list each once"
        raise ValueError(msg)
    return languages
