"""Reads comparable corpora in XTREME's layout of BUCC: the sentences of two languages, and which are translations."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import zip_longest
from pathlib import Path

from trainables.data.file_formats.data_file import TextFile
from trainables.data.file_formats.decoded_text import text_lines
from trainables.data.sources.own_folders.folder import OwnFolder
from trainables.errors import TaskDataError
from trainables.file_hashes import file_hash
from trainables.tasks.bitext_source import BitextSource
from trainables.tasks.spec import TaskSpec

_PIVOT = "en"
BITEXTS = OwnFolder(
    what="bitexts",
    layout=(
        "a folder with XTREME's files: `de-en.dev.de` and `de-en.dev.en` with `id<TAB>sentence` in each line, and "
        "`de-en.dev.gold` with `id<TAB>English id`, and so on for each language"
    ),
)
_STEP = "add the missing files, or choose other languages"


def bitext_fingerprint(spec: TaskSpec) -> str:
    """Return a hash of the content of the files that are there, of every split but the locked test split.

    Raises:
        UnavailableError: The variable is not set, or the folder has none of the files.
    """
    folder, digest = _folder(spec), hashlib.sha256()
    splits = [theirs for split, all_theirs in spec.splits.items() if split != "test" for theirs in all_theirs]
    names = [name for split in splits for language in spec.languages for name in _names(split, language)]
    found = [folder / name for name in names if (folder / name).is_file()]
    if not found:
        raise BITEXTS.lacks(spec, folder=folder, names=names[:3], step=_STEP)
    for path in found:
        digest.update(f"{path.name}\0{file_hash(path)}\n".encode())
    return digest.hexdigest()


def read_bitext(spec: TaskSpec, *, split: str, language: str) -> dict[str, list[str | None]]:
    """Return the rows of a split in the columns of kind `text_retrieval`: `query`, `candidate`, `link`, `id`.

    A row is one sentence: a query in the language, or a candidate in English. Sentences that are translations of each
    other have the same link.

    Args:
        spec: A task whose source is a `BitextSource`.
        split: Split of the source, such as `dev`.
        language: One of its languages.

    Raises:
        UnavailableError: The variable is not set, or a file is missing.
        TaskDataError: A line has another format, an id stands twice, or a gold pair names an unknown sentence.
    """
    folder = _folder(spec)
    paths = [folder / name for name in _names(split, language)]
    if absent := [path.name for path in paths if not path.is_file()]:
        raise BITEXTS.lacks(spec, folder=folder, names=absent, step=_STEP)
    queries, candidates = _sentences(paths[0]), _sentences(paths[1])
    links = _links(paths[2], queries=queries, candidates=candidates)
    names = _in_order(queries, candidates, links=links)
    return {
        "query": [queries[name] if side == 0 else None for side, name in names],
        "candidate": [candidates[name] if side == 1 else None for side, name in names],
        "link": [links.get(one, f"{one[0]} {one[1]}") for one in names],
        "id": [name for _, name in names],
    }


def _in_order(
    queries: Mapping[str, str], candidates: Mapping[str, str], *, links: Mapping[tuple[int, str], str]
) -> list[tuple[int, str]]:
    """Return all sentences as (side, id): gold pairs first, then one of each side in turn.

    So a part of the rows, of which an evaluation reads the first, holds pairs to find and sentences to reject.
    """
    groups: dict[str, list[tuple[int, str]]] = {}
    for one, link in links.items():
        groups.setdefault(link, []).append(one)
    gold = [one for group in groups.values() for one in sorted(group)]
    rest = [
        [(side, name) for name in names if (side, name) not in links]
        for side, names in enumerate((queries, candidates))
    ]
    return gold + [one for pair in zip_longest(*rest) for one in pair if one is not None]


def _folder(spec: TaskSpec) -> Path:
    assert isinstance(spec.source, BitextSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    return BITEXTS.of(spec, source=spec.source)


def _names(split: str, language: str) -> list[str]:
    return [f"{language}-{_PIVOT}.{split}.{ending}" for ending in (language, _PIVOT, "gold")]


def _sentences(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, (name, sentence) in _pairs(path):
        if name in found:
            raise _error(
                f"has the id {name!r} again; each sentence needs an id of its own", path=path, where=f"line {number}"
            )
        found[name] = sentence
    return found


def _links(path: Path, *, queries: Mapping[str, str], candidates: Mapping[str, str]) -> dict[tuple[int, str], str]:
    """Return (side, id) -> link. Sentences that are joined by gold pairs, also through others, have one link."""
    links: dict[tuple[int, str], str] = {}
    members: dict[str, set[tuple[int, str]]] = {}
    for number, pair in _pairs(path):
        for name, known, side in zip(pair, (queries, candidates), ("first", "second"), strict=True):
            if name not in known:
                problem = f"names {name!r}, which is not an id of the {side} language's sentences; correct it"
                raise _error(problem, path=path, where=f"line {number}")
        ends = {(0, pair[0]), (1, pair[1])}
        joined = ends.union(*(members.pop(links[end], set()) for end in ends if end in links))
        members[f"gold {number}"] = joined
        links |= dict.fromkeys(joined, f"gold {number}")
    return links


def _pairs(path: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    file = TextFile(path=path, encoding="utf-8", what="text", error=partial(_error, path=path))
    for number, line in enumerate(text_lines(file), 1):
        first, tab, second = line.rstrip("\r\n").partition("\t")
        if not (tab and first.strip() and second.strip()):
            raise _error("must hold an id, a tab and a text; correct it", path=path, where=f"line {number}")
        yield number, (first.strip(), second.strip())


def _error(problem: str, *, where: str = "", path: Path) -> TaskDataError:
    place = f"{path.name}, {where}" if where else path.name
    return TaskDataError(f"cannot read bitexts: {place} {problem}")
