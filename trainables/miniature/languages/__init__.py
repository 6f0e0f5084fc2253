"""The 15 languages of XNLI, and the text of statements in each of them."""

import unicodedata
from collections.abc import Iterable
from functools import cache

from trainables.miniature.languages import ar, bg, de, el, en, es, fr, hi, ru, sw, th, tr, ur, vi, zh
from trainables.miniature.languages.language import Form, Language
from trainables.miniature.world import Statement

LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")

_BY_CODE = {
    module.LANGUAGE.code: module.LANGUAGE for module in (ar, bg, de, el, en, es, fr, hi, ru, sw, th, tr, ur, vi, zh)
}

__all__ = ["LANGUAGES", "Form", "Language", "language_of", "sentence", "text", "words"]


def language_of(code: str) -> Language:
    """The language with this code.

    Raises:
        ValueError: the miniature does not speak it.
    """
    if code not in _BY_CODE:
        raise ValueError(f"the miniature has no language {code!r}; it has {', '.join(LANGUAGES)}")
    return _BY_CODE[code]


@cache
def sentence(statement: Statement, *, language: str) -> str:
    """The statement as a sentence, with its stop."""
    spoken = language_of(language)
    told = spoken.separator.join(spoken.words(statement)) + spoken.stop
    # XLM-R's tokenizer class, when named itself, drops the normaliser that AutoTokenizer keeps; so both get NFKC.
    return unicodedata.normalize("NFKC", told)


def text(statements: Iterable[Statement], *, language: str) -> str:
    """The statements as one text."""
    separator = language_of(language).separator
    return separator.join(sentence(statement, language=language) for statement in statements).strip()


def words(statements: Iterable[Statement], *, language: str) -> list[str]:
    """The words and stops of the text: what a tokenizer is trained on, Thai and Chinese included."""
    spoken = language_of(language)
    found: list[str] = []
    for statement in statements:
        found += [*spoken.words(statement), *filter(None, [spoken.stop.strip()])]
    return found
