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
    """Return the language with this code.

    Raises:
        ValueError: The miniature does not have it.
    """
    if code not in _BY_CODE:
        raise ValueError(f"the miniature has no language {code!r}; it has {', '.join(LANGUAGES)}")
    return _BY_CODE[code]


@cache
def sentence(statement: Statement, *, language: str) -> str:
    """Return the statement as a sentence, with its full stop."""
    spoken = language_of(language)
    written = spoken.separator.join(spoken.words(statement)) + spoken.stop
    # XLM-R's own tokenizer class drops the normaliser that AutoTokenizer keeps, so the texts themselves are NFKC.
    return unicodedata.normalize("NFKC", written)


def text(statements: Iterable[Statement], *, language: str) -> str:
    """Return the statements as one text."""
    separator = language_of(language).separator
    return separator.join(sentence(statement, language=language) for statement in statements).strip()


def words(statements: Iterable[Statement], *, language: str) -> list[str]:
    """Return the words and full stops of the text, on which the tokenizer is trained, also for Thai and Chinese."""
    spoken = language_of(language)
    found: list[str] = []
    for statement in statements:
        found += [*spoken.words(statement), *filter(None, [spoken.stop.strip()])]
    return found
