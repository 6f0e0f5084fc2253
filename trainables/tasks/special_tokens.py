"""Texts that spell an encoder's special tokens, such as `</s>`, are read as text: no row can end itself or hide a word.

Two things make a tokenizer read them as control tokens. It looks for them before it tokenises, which
`split_special_tokens` turns off; and they are pieces of its vocabulary, which a Unigram or word-level model finds again
in what is left, also where normalisation makes them of full-width characters. So their spelling is broken behind its
first character, as a space breaks a word: a piece never reaches across. Texts that spell none are read as before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any  # Any: the tokenizer's backend is untyped

from trainables.tasks.formats import FORMATS
from trainables.tasks.spec import KindName

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_TEXTS = frozenset({"text", "maybe_text", "texts", "some_texts", "words"})


def read_as_text(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Return a fast tokenizer, changed so that texts which spell its special tokens are read as text.

    Args:
        tokenizer: Its template still puts special tokens around a text, and its ids stay.
    """
    from tokenizers import Regex, pre_tokenizers

    tokenizer.split_special_tokens = True
    # A token of one character cannot be broken; no encoder that is read here has one.
    spelled = [_broken(token) for token in special_tokens(tokenizer) if len(token) > 1]
    backend: Any = tokenizer.backend_tokenizer  # pyright: ignore[reportAttributeAccessIssue]  (fast tokenizers have it)
    if spelled:
        breaking: Any = pre_tokenizers.Split(Regex("|".join(spelled)), "merged_with_previous")
        before: Any = backend.pre_tokenizer
        backend.pre_tokenizer = pre_tokenizers.Sequence([before, breaking]) if before else breaking
    return tokenizer


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """Return how a tokenizer's special tokens are spelled, the longest first."""
    added: Any = getattr(tokenizer, "added_tokens_decoder", {})
    found = {*tokenizer.all_special_tokens, *(str(token) for token in added.values() if token.special)}
    return tuple(sorted(found, key=lambda token: (-len(token), token)))


class SpellingCounter:
    """Counts rows whose texts spell special tokens.

    Args:
        kind: Kind of the task.
        tokenizer: A fast tokenizer.
    """

    def __init__(self, kind: KindName, *, tokenizer: PreTrainedTokenizerBase) -> None:
        self._columns = tuple(name for name, content in FORMATS[kind].columns.items() if content in _TEXTS)
        self._pattern = re.compile("|".join(map(re.escape, special_tokens(tokenizer))) or r"(?!)")
        backend: Any = tokenizer.backend_tokenizer  # pyright: ignore[reportAttributeAccessIssue]  (fast tokenizers have it)
        self._normalizer: Any = backend.normalizer
        self.num_rows = 0
        """Rows that spell some."""
        self.spelled: dict[str, None] = {}
        """The tokens that they spell, in the order in which they were met."""

    def add(self, rows: Mapping[str, Sequence[Any]]) -> None:
        """Count rows under the kind's column names."""
        columns = [rows[name] for name in self._columns if name in rows]
        for cells in zip(*columns, strict=True):
            found = [token for cell in cells for text in _texts_of(cell) for token in self._found(text)]
            self.num_rows += bool(found)
            self.spelled |= dict.fromkeys(found)

    def _found(self, text: str) -> list[str]:
        found = self._pattern.findall(text)
        if found or text.isascii() or self._normalizer is None:
            return found
        return self._pattern.findall(self._normalizer.normalize_str(text))


def _texts_of(cell: Any) -> Iterable[str]:
    if isinstance(cell, str):
        return (cell,)
    return (text for text in cell if isinstance(text, str)) if isinstance(cell, list) else ()


def _broken(token: str) -> str:
    """Return an expression for a token's first character where the rest of it follows, blanks as models mark them."""
    first, rest = (re.escape(part).replace(r"\ ", "[ ▁]") for part in (token[0], token[1:]))
    return f"{first}(?={rest})"
