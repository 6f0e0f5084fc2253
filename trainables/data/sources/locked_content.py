"""Finds rows of locked test splits in a task that does not ship, by their texts and images.

A copy of a test split under another name, revision or format has the same texts. Each text of a row is hashed after
spaces and case are made alike, each image as it is; a row counts as locked when all its parts are parts of one
language's locked rows. Locked rows are known where they are on this machine, in the mirror or in the Hugging Face
cache: nothing is downloaded for this. A preflight check looks at the rows before a sweep starts, as far as they are on
this machine; the rows that are encoded are looked at in any case.
"""

from __future__ import annotations

import hashlib
import logging
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any  # Any: a row's values are its kind's own

from trainables.data.sources.locator import dataset_place, mirror_folder
from trainables.errors import InputError, TaskDataError
from trainables.tasks.locked_splits import locked_tasks, refusal
from trainables.tasks.registry import is_catalogued
from trainables.tasks.spec import IMAGE_COLUMNS, KindName, TaskSpec
from trainables.tasks.texts_source import TextsSource

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_SHARE = 0.05
"""Share of a split's rows, and of a test split's rows in one language, that may coincide: short sentences do by chance.
"""

MIN_ROWS = 5
"""Fewer equal rows are never refused."""

ROWS_PER_CHUNK = 2000
"""Rows that are looked at together."""

_NOT_TEXTS = {"label", "tags", "answers", "answer", "id", "row"}
"""Columns of kinds that are not what a model reads."""

log = logging.getLogger(__name__)

Row = tuple[bytes, ...]
"""The different hashes of one row's parts, in order."""


class LockedRowCounter:
    """Counts the rows of a task's split that have the texts of a locked test split.

    Args:
        spec: The task. Tasks of the catalogue, and tasks with `opens_test: true`, are not checked.
        split: The split's name in xstilts.
    """

    def __init__(self, spec: TaskSpec, *, split: str) -> None:
        self._spec, self._split = spec, split
        self._locked = _locked_rows(spec.kind) if is_looked_at(spec, split=split) else {}
        self._found: dict[tuple[str, str], set[Row]] = {}
        self._num_found = dict.fromkeys(self._locked, 0)
        self._num_rows = 0

    @property
    def is_needed(self) -> bool:
        """Whether anything is locked here that the split could hold."""
        return bool(self._locked)

    def add(self, chunk: Mapping[str, Sequence[Any]]) -> None:
        """Count some rows.

        Args:
            chunk: Column of the kind -> values, as loaded.
        """
        if not self._locked:
            return
        rows = list(_rows(chunk))
        self._num_rows += len(rows)
        for name, locked in self._locked.items():
            for row, languages in locked.languages_of(rows):
                self._num_found[name] += 1
                for language in languages:
                    self._found.setdefault((name, language), set()).add(row)

    def check(self) -> None:
        """Raise an error if too many rows are locked.

        Raises:
            TaskDataError: More than `MAX_SHARE` of the split, or of a language of a test split, are.
        """
        for (name, language), rows in self._found.items():
            share_of_split = self._num_found[name] / self._num_rows
            share_of_test = len(rows) / self._locked[name].num_rows[language]
            if self._num_found[name] >= MIN_ROWS and max(share_of_split, share_of_test) > MAX_SHARE:
                raise TaskDataError(self._refusal(name))

    def _refusal(self, locked: str) -> str:
        found = f"{self._num_found[locked]} of {self._num_rows} rows have the texts of its rows"
        if isinstance(self._spec.source, TextsSource):
            return (
                f"the texts in {self._spec.source.place!r} hold the test split of {locked!r} ({found}); a search must "
                "not see test data, and `opens_test: true` is for tasks only; use other texts"
            )
        return f"{refusal(self._spec.name, split=self._split, locked=locked)} ({found})"


def is_looked_at(spec: TaskSpec, *, split: str) -> bool:
    """Return whether a split of a task is compared with locked test splits."""
    base = spec.control.of if spec.control else spec.name
    return split != "test" and not is_catalogued(base) and not spec.opens_test


class _LockedRows:
    """The parts of one task's test split, in all its languages that are here.

    Each part is a number of 8 bytes in one sorted array, beside a bit for each language that has it.

    Args:
        rows: Language -> the rows of the split.
    """

    def __init__(self, rows: Iterable[tuple[str, Iterator[Row]]]) -> None:
        import numpy as np

        self.languages: list[str] = []
        self.num_rows: dict[str, int] = {}
        """Language -> number of its rows."""
        hashes, bits = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
        for language, of_language in rows:
            parts, num_rows = _numbers(of_language)
            if num_rows:
                hashes.append(np.unique(parts))
                bits.append(np.full(len(hashes[-1]), 1 << len(self.languages), np.uint64))
                self.num_rows[language] = num_rows
                self.languages.append(language)
        every, bit = np.concatenate(hashes), np.concatenate(bits)
        order = np.argsort(every, kind="stable")
        self._hashes, starts = np.unique(every[order], return_index=True)
        self._bits = np.bitwise_or.reduceat(bit[order], starts) if len(starts) else bit

    def languages_of(self, rows: Sequence[Row]) -> Iterator[tuple[Row, list[str]]]:
        """Yield each row of which a language has all parts, with those languages; a row without parts never is one."""
        import numpy as np

        asked = [row for row in rows if row]
        parts, _ = _numbers(iter(asked))
        if not len(parts) or not len(self._hashes):
            return
        places = np.minimum(np.searchsorted(self._hashes, parts), len(self._hashes) - 1)
        bits = np.where(self._hashes[places] == parts, self._bits[places], np.uint64(0))
        starts = np.cumsum([0, *(len(row) for row in asked[:-1])])
        of_rows = np.bitwise_and.reduceat(bits, starts)
        for number in np.flatnonzero(of_rows).tolist():
            found = int(of_rows[number])
            yield asked[number], [name for place, name in enumerate(self.languages) if found >> place & 1]


def _numbers(rows: Iterator[Row]) -> tuple[NDArray[np.uint64], int]:
    """Return all parts of rows, one after the other, and the number of rows."""
    import numpy as np

    content, num_rows = bytearray(), 0
    for row in rows:
        num_rows += 1
        for part in row:
            content += part
    return np.frombuffer(bytes(content), dtype=np.uint64), num_rows


def _locked_rows(kind: KindName) -> dict[str, _LockedRows]:
    """Return task -> what is locked, of tasks whose rows a task of this kind could repeat.

    A task with images repeats images and texts together: the sentences alone recur with other images. Texts can be read
    as another kind, such as a pair of sentences of two translations.
    """
    mirror = str(mirror_folder())
    has_images = kind in IMAGE_COLUMNS
    reads_captions = kind in {"masked_lm", "distillation"}
    wanted = [spec.name for spec in locked_tasks() if reads_captions or spec.has_images == has_images]
    return {name: found for name in wanted if (found := _rows_of_task(name, mirror=mirror)).num_rows}


@lru_cache(maxsize=64)
def _rows_of_task(name: str, *, mirror: str) -> _LockedRows:
    del mirror  # an argument, so that another mirror is read
    spec = next(one for one in locked_tasks() if one.name == name)
    is_here = dataset_place(getattr(spec.source, "repository", "")) in {"mirror", "cache"}
    return _LockedRows((language, _loaded(spec, language=language)) for language in (spec.languages if is_here else ()))


def _loaded(spec: TaskSpec, *, language: str) -> Iterator[Row]:
    from trainables.data.sources.loader import load_rows

    try:
        rows = load_rows(spec, split="test", language=language)
    except InputError as error:
        log.debug("the test split of %s in %s is not here: %s", spec.name, language, error)
        return
    rows = rows.select_columns([name for name in rows.column_names if name not in _NOT_TEXTS])
    for start in range(0, len(rows), ROWS_PER_CHUNK):
        yield from _rows(rows[start : start + ROWS_PER_CHUNK])


def _rows(chunk: Mapping[str, Sequence[Any]]) -> Iterator[Row]:
    columns = [values for name, values in chunk.items() if name not in _NOT_TEXTS]
    for values in zip(*columns, strict=True):
        yield tuple(sorted({part for value in values for part in _parts(value)}))


def _parts(value: Any) -> Iterator[bytes]:
    """Yield the hash of a text, of an image's file, or of a list of words."""
    match value:
        case str():
            yield _hash(value)
        case {"bytes": bytes() as file}:
            yield hashlib.blake2b(file, digest_size=8).digest()
        case list() | tuple():
            words = list(value)
            if words and all(isinstance(word, str) for word in words):
                yield _hash(" ".join(words))
        case _:
            pass


def _hash(text: str) -> bytes:
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.blake2b(plain.encode(errors="surrogatepass"), digest_size=8).digest()
