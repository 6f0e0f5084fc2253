"""Makes a tokenizer read the spelling of a special token, such as `</s>` in a row's text, as ordinary text.

Otherwise the text of a row could insert control tokens. A tokenizer does so in two ways. It looks for special tokens
before it tokenises; `split_special_tokens` turns this off. And they are pieces of its vocabulary: a Unigram or
word-level model finds them in the text, also where normalisation makes them from full-width characters. So their
spelling is split after its first character, as a space splits two words, and no piece crosses the split. Texts that
spell no special token are tokenised as before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any  # Any: the tokenizer's backend is untyped

from trainables.tasks.formats import FORMATS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from trainables.tasks.spec import KindName

_TEXTS = frozenset({"text", "maybe_text", "texts", "some_texts", "words"})


def read_as_text(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Return a fast tokenizer, changed in place so that it reads the spelling of its special tokens as text.

    Args:
        tokenizer: Its template still adds special tokens around a text, and its ids stay the same.
    """
    from tokenizers import Regex, pre_tokenizers

    tokenizer.split_special_tokens = True
    # A token of one character cannot be split; no supported encoder has one.
    spelled = [_split_pattern(token) for token in special_tokens(tokenizer) if len(token) > 1]
    backend: Any = tokenizer.backend_tokenizer  # pyright: ignore[reportAttributeAccessIssue]  (fast tokenizers have it)
    if spelled:
        splitter: Any = pre_tokenizers.Split(Regex("|".join(spelled)), "merged_with_previous")
        before: Any = backend.pre_tokenizer
        backend.pre_tokenizer = pre_tokenizers.Sequence([before, splitter]) if before else splitter
    return tokenizer


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """Return the spellings of a tokenizer's special tokens, the longest first."""
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
        """Rows that spell a special token."""
        self.spelled: dict[str, None] = {}
        """The tokens that they spell, in the order of first occurrence."""

    def add(self, rows: Mapping[str, Sequence[Any]]) -> None:
        """Count rows under the kind's column names."""
        columns = [rows[name] for name in self._columns if name in rows]
        for cells in zip(*columns, strict=True):
            found = [token for cell in cells for text in _texts_of(cell) for token in self._found_tokens(text)]
            self.num_rows += bool(found)
            self.spelled |= dict.fromkeys(found)

    def _found_tokens(self, text: str) -> list[str]:
        found = self._pattern.findall(text)
        if found or text.isascii() or self._normalizer is None:
            return found
        return self._pattern.findall(self._normalizer.normalize_str(text))


def _texts_of(cell: Any) -> Iterable[str]:
    if isinstance(cell, str):
        return (cell,)
    return (text for text in cell if isinstance(text, str)) if isinstance(cell, list) else ()


def _split_pattern(token: str) -> str:
    """Return a pattern for a token's first character when the rest follows; a space also matches `▁`."""
    first, rest = (re.escape(part).replace(r"\ ", "[ ▁]") for part in (token[0], token[1:]))
    return f"{first}(?={rest})"
