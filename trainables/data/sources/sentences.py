# ruff: noqa: RUF001, RUF002  marks and letters of many scripts
"""Splits a paragraph into sentences, in any of XQuAD's languages. Pure.

1.  An empty line ends a sentence; a single line break is white space.
2.  `。`, `！`, `？`, `।` and `॥` end a sentence, with the quotes, brackets and notes such as `[7]` after them.
3.  `.`, `!`, `?`, `…`, `؟` and `۔`, and `;` before a Greek capital, end a sentence if white space follows, also after
    such quotes, brackets and notes. They do not if the next character is a lower-case letter.
4.  A full stop does not end a sentence after one capital, or one letter of a script without case (`J. Smith`), after
    one of `ABBREVIATIONS`, or, in German and Turkish, after a number of one or two digits (`am 3. Mai`).
5.  Thai has no mark at the end of a sentence, and writes spaces between clauses. A Thai sentence ends at the first
    space after `MIN_THAI_CHARACTERS` characters.
6.  A piece without a letter belongs to the sentence before it.

On XQuAD's paragraphs the number of sentences in each language is within 3.5 % of that of LAReQA's own annotation, which
its README lists (tests/trainables_tests/data/test_sentence_pools.py).

A change of the rules needs a new `RULES_VERSION`, which enters keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

RULES_VERSION = 1
"""Version of the rules."""

MIN_THAI_CHARACTERS = 225
"""Characters of a Thai sentence before a space can end it; LAReQA's Thai sentences have about this mean length."""

ABBREVIATIONS = frozenset(
    """
    mr mrs ms dr prof st sr jr vs no nr ca etc e.g i.e al cf fig vol v n pp approx gen col lt sgt capt gov sen rep rev
    hon mt ft inc co corp ltd bros dept univ bzw chr usw z.b d.h u.a hl ggf inkl sog str abs bd hrsg vgl mio mrd jh
    ee sra srta ud uds ee.uu aprox núm pág art av т.е т.д т.п др г гг в вв см им ул тыс млн млрд руб св проф акад ум
    vb bkz yy örn doç alb mah cad sok π.χ κ.ά κ.λπ δηλ βλ αρ κ
    """.split()  # noqa: SIM905  a list of quoted words is unreadable
)
"""Words before a full stop that does not end a sentence, in lower case."""

_CLOSING = "\"'”’»›)\\]）」』】›"
_NOTES = r"(?:\s?\[[^\[\]\n]{1,40}\])*+"
_HARD = re.compile(rf"[。！？।॥]+[{_CLOSING}]*{_NOTES}\s*|[^\S\n]*\n[^\S\n]*\n\s*")
# “ closes a quotation in German, and opens one in Chinese.
_SOFT = re.compile(rf"(?P<mark>[.!?…؟۔]+|;(?=\s+[Α-ΩΆΈΉΊΌΎΏ]))[{_CLOSING}“]*{_NOTES}\s+(?=(?P<next>\S))")
_LAST_WORD = re.compile(r"[^\s(\[\"'“„«]*$")
_SHORT_NUMBER = re.compile(r"\d{1,2}")
_ORDINAL_LANGUAGES = frozenset({"de", "tr"})


def sentence_spans(text: str, *, language: str) -> list[tuple[int, int]]:
    """Return the first character of each sentence, and the one after its last, without white space around it.

    Every character but white space is in exactly one sentence.

    Args:
        text: A paragraph.
        language: Its language, such as `de`.
    """
    ends = sorted({*_ends(text, language=language), len(text)})
    spans: list[tuple[int, int]] = []
    start = 0
    for end in ends:
        sentence = text[start:end]
        if sentence.strip():
            first = start + len(sentence) - len(sentence.lstrip())
            span = (first, start + len(sentence.rstrip()))
            has_letter = any(map(str.isalpha, sentence)) or not spans
            spans = [*spans, span] if has_letter else [*spans[:-1], (spans[-1][0], span[1])]
        start = end
    return spans


def _ends(text: str, *, language: str) -> Iterator[int]:
    """Yield where the next sentence starts; white space before it belongs to none."""
    yield from (match.end() for match in _HARD.finditer(text))
    yield from (match.end() for match in _SOFT.finditer(text) if _is_end(match, text=text, language=language))
    if language == "th":
        yield from _thai_ends(text)


def _is_end(match: re.Match[str], *, text: str, language: str) -> bool:
    if match["next"].islower():
        return False
    if match["mark"] != ".":
        return True
    found = _LAST_WORD.search(text, 0, match.start())
    word = found.group() if found else ""
    if (len(word) == 1 and word.isalpha() and not word.islower()) or (
        len(word) > 1 and word[-2] == "." and word[-1].isupper()
    ):
        return False
    if word.lower() in ABBREVIATIONS:
        return False
    return not (language in _ORDINAL_LANGUAGES and _SHORT_NUMBER.fullmatch(word))


def _thai_ends(text: str) -> Iterator[int]:
    start = 0
    for match in re.finditer(r"\s+", text):
        if match.start() - start >= MIN_THAI_CHARACTERS:
            start = match.end()
            yield start
