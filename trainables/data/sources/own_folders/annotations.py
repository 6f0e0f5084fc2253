"""Reads JSON lines about images, and the images beside them, from a folder laid out as IGLUE's repository."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any  # Any: what a line holds, before it is checked

from trainables.data.file_formats.data_file import TextFile
from trainables.data.file_formats.decoded_text import text_lines
from trainables.data.sources.own_folders.folder import OwnFolder
from trainables.errors import TaskDataError, UnavailableError
from trainables.names import problem_of_name
from trainables.tasks.annotation_source import AnnotationSource
from trainables.tasks.spec import TaskSpec

_ANNOTATIONS, _IMAGES = "annotations", "images"
ANNOTATIONS = OwnFolder(
    what="sentences about images",
    layout=(
        "a folder with IGLUE's files, `annotations/en/test.jsonl` and so on for each language, and the photographs "
        "that they name in `images`"
    ),
    reason="its authors publish its sentences, and others its photographs, so they",
)
_IMAGE = "image"
"""Column of a task that holds the image; the other columns are fields of a line."""

Line = tuple[Path, int, Mapping[str, Any]]
"""File, number of the line, and its fields."""


def annotation_files(spec: TaskSpec) -> list[Path]:
    """Return the files that decide a task's rows: lines of every language that is there, and the images they name.

    A task that is asked without images is decided by its lines alone.

    Raises:
        UnavailableError: The variable is not set, or the folder has none of the files.
        TaskDataError: A line has another format.
    """
    folder = _folder(spec)
    splits = [theirs for split, all_theirs in spec.splits.items() if split != "test" for theirs in all_theirs]
    places = [_place(folder, split=split, language=language) for split in splits for language in spec.languages]
    found = [path for path in places if path.is_file()]
    if not found:
        raise _missing_error(spec, folder=folder, path=places[0])
    if not spec.has_images:
        return found
    named = (_image_place(spec, line=line, folder=folder) for path in found for line in _lines(path))
    return found + [path for path in dict.fromkeys(named) if path.is_file()]


def check_annotations(spec: TaskSpec, *, split: str, language: str) -> None:
    """Check the lines of a language, and that each image is there; no image is read.

    Args:
        spec: A task whose source is an `AnnotationSource`.
        split: Split of the source, such as `test`.
        language: One of its languages.

    Raises:
        UnavailableError: The variable is not set, or a file is missing.
        TaskDataError: A line has another format.
    """
    for _ in _rows(spec, split=split, language=language):
        pass


def read_annotations(spec: TaskSpec, *, split: str, language: str) -> dict[str, list[Any]]:
    """Return the columns of the source that the task names; an image is its file's bytes.

    Args:
        spec: A task whose source is an `AnnotationSource`.
        split: Split of the source, such as `test`.
        language: One of its languages.

    Raises:
        UnavailableError: The variable is not set, or a file is missing.
        TaskDataError: A line has another format.
    """
    rows = list(_rows(spec, split=split, language=language))
    columns = {name: [row[name] for row in rows] for name in spec.source_columns}
    if _IMAGE in columns:
        columns[_IMAGE] = [{"bytes": path.read_bytes(), "path": None} for path in columns[_IMAGE]]
    return columns


def _rows(spec: TaskSpec, *, split: str, language: str) -> Iterator[dict[str, Any]]:
    """Yield the values of the task's columns in each line; an image is the path of its file."""
    folder = _folder(spec)
    path = _place(folder, split=split, language=language)
    if not path.is_file():
        raise _missing_error(spec, folder=folder, path=path)
    for line in _lines(path):
        row = {name: _field(line, name=name) for name in spec.source_columns if name != _IMAGE}
        if spec.has_images:
            row[_IMAGE] = _image_place(spec, line=line, folder=folder)
            if not row[_IMAGE].is_file():
                raise _missing_error(spec, folder=folder, path=row[_IMAGE])
        yield row


def _source(spec: TaskSpec) -> AnnotationSource:
    assert isinstance(spec.source, AnnotationSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    return spec.source


def _folder(spec: TaskSpec) -> Path:
    return ANNOTATIONS.of(spec, source=_source(spec))


def _place(folder: Path, *, split: str, language: str) -> Path:
    return folder / _ANNOTATIONS / language / f"{split}.jsonl"


def _image_place(spec: TaskSpec, *, line: Line, folder: Path) -> Path:
    source = _source(spec)
    name = str(_field(line, name=source.image_field)).removesuffix(source.image_ending) + source.image_ending
    problem = "holds a '/'" if "/" in name else problem_of_name(name)
    if problem:
        path, number, _ = line
        rule = f"names the image {name!r}, which {problem}; name a file of `{_IMAGES}`"
        raise _error(rule, path=path, where=f"line {number}")
    return folder / _IMAGES / name


def _missing_error(spec: TaskSpec, *, folder: Path, path: Path) -> UnavailableError:
    step = "add the missing files, or choose other languages"
    return ANNOTATIONS.lacks(spec, folder=folder, names=[str(path.relative_to(folder))], step=step)


def _lines(path: Path) -> Iterator[Line]:
    file = TextFile(path=path, encoding="utf-8", what="text", error=partial(_error, path=path))
    for number, text in enumerate(text_lines(file), 1):
        try:
            fields = json.loads(text)
        except ValueError as error:
            problem = f"is not JSON ({error}); copy the file again"
            raise _error(problem, path=path, where=f"line {number}") from None
        if not isinstance(fields, dict):
            raise _error("is not a JSON object; copy the file again", path=path, where=f"line {number}")
        yield path, number, fields


def _field(line: Line, *, name: str) -> Any:
    path, number, fields = line
    if name not in fields:
        problem = f"has no field {name!r}; it has {', '.join(fields)}; use the file of IGLUE's repository"
        raise _error(problem, path=path, where=f"line {number}")
    return fields[name]


def _error(problem: str, *, where: str = "", path: Path) -> TaskDataError:
    place = f"{path.parent.name}/{path.name}"
    return TaskDataError(f"cannot read sentences about images: {place}{', ' + where if where else ''} {problem}")
