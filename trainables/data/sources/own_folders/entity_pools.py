"""Reads Mewsli-X: mentions of entities in news, and descriptions of all entities, as its script writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar  # Any: what a line holds, before it is checked

from trainables.data.file_formats.data_file import TextFile
from trainables.data.file_formats.decoded_text import text_lines
from trainables.data.sources.own_folders.folder import OwnFolder
from trainables.errors import TaskDataError
from trainables.tasks.pool_sources import EntityPoolSource
from trainables.tasks.spec import TaskSpec

_ENTITIES = "candidate_set_entities.jsonl"
ENTITIES = OwnFolder(
    what="mentions of entities",
    layout=(
        f"the folder in which google-research's get-mewsli-x.sh leaves its files: `{_ENTITIES}`, "
        "`wikinews_mentions-dev.jsonl` and `wikinews_mentions-test.jsonl`"
    ),
)
_BRACES = re.compile(r"\{(.*?)\}")

Pair = tuple[str, str]
"""Text and id."""

T = TypeVar("T")


def entity_files(spec: TaskSpec) -> list[Path]:
    """Return the files of every split but the locked test split; their content identifies the rows.

    Raises:
        UnavailableError: The variable is not set, or a file is missing.
    """
    names = [_mentions_name(one) for split, theirs in spec.splits.items() if split != "test" for one in theirs]
    return [_file(spec, name=name) for name in (_ENTITIES, *names)]


def check_mentions(spec: TaskSpec, *, split: str, language: str) -> None:
    """Check the mentions of a language and the first entity, without reading the whole pool (535 MB).

    Args:
        spec: A task whose source is an `EntityPoolSource`.
        split: Split of the source, such as `dev`.
        language: One of its languages.

    Raises:
        UnavailableError: The variable is not set, or a file is missing.
        TaskDataError: A line has another format, or no mention is in this language.
    """
    _mentions(spec, split=split, language=language)
    next(_entities(_file(spec, name=_ENTITIES)), None)


def read_entity_pool(spec: TaskSpec, *, split: str, language: str) -> dict[str, list[str | None]]:
    """Return the rows of kind `text_retrieval`: `query`, `candidate`, `link` (the entity's id), `id`.

    A query is the mention, a colon, and its sentence with the mention between braces, as in XTREME's scripts; a
    candidate is the description of an entity. A mention stands before its entity, the other entities come last, so that
    the first rows can be scored alone.

    Args:
        spec: A task whose source is an `EntityPoolSource`.
        split: Split of the source, such as `dev`.
        language: Language of the mentions.

    Raises:
        UnavailableError: The variable is not set, or a file is missing.
        TaskDataError: A line has another format, an entity stands twice, or a mention's entity is no candidate.
    """
    mentions = _mentions(spec, split=split, language=language)
    path = _file(spec, name=_ENTITIES)
    pool: dict[str, str] = {}
    for number, (text, name) in enumerate(_entities(path), 1):
        if name in pool:
            raise _error(f"has the entity {name!r} again; remove one of the two", path=path, where=f"line {number}")
        pool[name] = text
    rows: list[tuple[str | None, str | None, str, str]] = []
    placed: set[str] = set()
    for text, name, entity in mentions:
        if entity not in pool:
            msg = f"lacks the entity {entity!r} of mention {name!r}; make the files again with Mewsli-X's script"
            raise _error(msg, path=path)
        rows.append((text, None, entity, name))
        if entity not in placed:
            rows.append((None, pool[entity], entity, entity))
            placed.add(entity)
    rows += [(None, text, name, name) for name, text in pool.items() if name not in placed]
    queries, candidates, links, names = zip(*rows, strict=True)
    return {"query": list(queries), "candidate": list(candidates), "link": list(links), "id": list(names)}


def _mentions_name(split: str) -> str:
    return f"wikinews_mentions-{split}.jsonl"


def _file(spec: TaskSpec, *, name: str) -> Path:
    assert isinstance(spec.source, EntityPoolSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    folder = ENTITIES.of(spec, source=spec.source)
    if not (folder / name).is_file():
        raise ENTITIES.lacks(spec, folder=folder, names=[name], step="add the file")
    return folder / name


def _mentions(spec: TaskSpec, *, split: str, language: str) -> list[tuple[str, str, str]]:
    """Return the text, the id and the entity of each mention in a language."""
    path = _file(spec, name=_mentions_name(split))
    found: list[tuple[str, str, str]] = []
    for article in _parsed(path, _mentions_of_article):
        found += [mention for mention, spoken in article if spoken == language]
    if not found:
        msg = f"has no mention in {language!r}; choose languages that it has, or make the files again"
        raise _error(msg, path=path)
    return found


def _entities(path: Path) -> Iterator[Pair]:
    """Yield the description and the id of each entity."""
    yield from _parsed(path, _entity)


def _entity(line: Mapping[str, Any]) -> Pair:
    text = line["description"]
    spans = line["sentence_spans"]
    whole = " ".join(text[span["start"] : span["end"]] for span in spans) if spans else text
    return _plain(whole), str(line["entity_id"])


def _mentions_of_article(line: Mapping[str, Any]) -> list[tuple[tuple[str, str, str], str]]:
    context = line["context"]
    text, spans = context["text"], [(span["start"], span["end"]) for span in context["sentence_spans"]]
    found: list[tuple[tuple[str, str, str], str]] = []
    for mention in line["mentions"]:
        span = mention["mention_span"]
        first, end = span["start"], span["end"]
        if text[first:end] != span["text"]:
            msg = f"mention {mention['example_id']!r} is {span['text']!r}, but the text has {text[first:end]!r} there"
            raise ValueError(msg)
        inside = [(start, stop) for start, stop in spans if start <= first and end <= stop]
        if not inside:
            msg = f"mention {mention['example_id']!r} is in no sentence"
            raise ValueError(msg)
        start, stop = inside[0]
        left, right = (_BRACES.sub(r"(\1)", part) for part in (text[start:first], text[end:stop]))
        query = _plain(f"{span['text']}: {left} {{ {span['text']} }} {right}")
        found.append(((query, str(mention["example_id"]), str(mention["entity_id"])), str(context["language"])))
    return found


def _plain(text: str) -> str:
    """Return a text in one line; as XTREME's scripts do, two spaces become one."""
    return " ".join(text.splitlines()).replace("  ", " ").strip()


def _parsed(path: Path, parse: Callable[[Mapping[str, Any]], T]) -> Iterator[T]:
    file = TextFile(path=path, encoding="utf-8", what="text", error=partial(_error, path=path))
    for number, line in enumerate(text_lines(file), 1):
        try:
            yield parse(json.loads(line))
        except KeyError as error:
            problem = f"has no field {error}; make the files with Mewsli-X's script"
            raise _error(problem, path=path, where=f"line {number}") from None
        except (ValueError, TypeError, AttributeError) as error:
            problem = f"is not as Mewsli-X's script writes it ({error}); make the files again"
            raise _error(problem, path=path, where=f"line {number}") from None


def _error(problem: str, *, where: str = "", path: Path) -> TaskDataError:
    place = f"{path.name}, {where}" if where else path.name
    return TaskDataError(f"cannot read mentions of entities: {place} {problem}")
