"""Reads captions of photographs in several languages, in the layout of Multi30K's repository."""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any  # a row's image is a struct of its file's bytes and path

from trainables.data.file_formats.decoded_text import GZIP_ERRORS
from trainables.data.sources.own_folders.folder import OwnFolder
from trainables.errors import TaskDataError
from trainables.file_hashes import hash_of_content
from trainables.names import path_below
from trainables.tasks.caption_source import CaptionSource
from trainables.tasks.spec import TaskSpec

IMAGES = "flickr30k-images"
"""Folder with the photographs."""

_SPLITS, _RAW = "data/task1/image_splits", "data/task1/raw"
CAPTION_PAGE = "https://github.com/multi30k/dataset"
"""Where the captions are."""

CAPTIONS = OwnFolder(
    what="captions of photographs",
    layout=(
        f"a copy of Multi30K ({CAPTION_PAGE}) with `{_RAW}/train.en.gz`, `{_SPLITS}/train.txt` and so on, and a folder "
        f"`{IMAGES}` with the photographs of Flickr30k (https://shannon.cs.illinois.edu/DenotationGraph)"
    ),
)
_STEP = "add what is missing"


def caption_fingerprint(spec: TaskSpec) -> str:
    """Return a hash of the captions, and of the names and sizes of the photographs, without the locked test split.

    The photographs are 4 GB, and each process that plans a trial needs the fingerprint, so their content is not read
    here. An encoded split identifies each photograph by its content.

    Raises:
        UnavailableError: The variable is not set, or a file is missing.
    """
    folder, digest = _folder(spec), hashlib.sha256()
    for split in (theirs for split, all_theirs in spec.splits.items() if split != "test" for theirs in all_theirs):
        places = _image_places(folder, image_names(spec, split=split), split=split)
        sizes = "".join(f"{name}\0{_size_of_file(path)}\n" for name, path in places)
        digest.update(sizes.encode())
        for language in spec.languages:
            path = _caption_file(spec, folder, split=split, language=language, is_needed=False)
            if path is not None:
                digest.update(f"{split}.{language}\0{hash_of_content(path, read=_content)}\n".encode())
    return digest.hexdigest()


def image_names(spec: TaskSpec, *, split: str) -> list[str]:
    """Return the file names of a split's photographs, in the order of its captions.

    Args:
        spec: A task whose source is a `CaptionSource`.
        split: Split of the source, such as `val`.

    Raises:
        UnavailableError: The variable is not set, or the list is missing.
        TaskDataError: The list is not text, or names nothing.
    """
    folder = _folder(spec)
    path = folder / _SPLITS / f"{split}.txt"
    if not path.is_file():
        raise CAPTIONS.lacks(spec, folder=folder, names=[f"{_SPLITS}/{split}.txt"], step=_STEP)
    # A line of a list can say which caption of the photograph it means: `123.jpg#2`.
    names = [line.strip().partition("#")[0] for line in _lines(path) if line.strip()]
    if not names:
        raise _error("names no photograph; copy it again", path=path)
    return names


def read_captions(spec: TaskSpec, *, split: str, language: str) -> dict[str, list[Any]]:
    """Return the rows of a split in the columns of kind `image_text_retrieval`: `image`, `caption`, `id`.

    An image is the path of its file, which is read when the split is encoded.

    Args:
        spec: A task whose source is a `CaptionSource`.
        split: Split of the source, such as `val`.
        language: One of its languages.

    Raises:
        UnavailableError: The variable is not set, or a file or photograph is missing.
        TaskDataError: Captions and photographs differ in number, or a caption is empty.
    """
    folder, names = _folder(spec), image_names(spec, split=split)
    path = _caption_file(spec, folder, split=split, language=language)
    assert path is not None  # noqa: S101  (it is needed)
    captions = [line.strip() for line in _lines(path)]
    while captions and not captions[-1]:
        captions.pop()
    if len(captions) != len(names):
        problem = f"has {len(captions)} captions, and {_SPLITS}/{split}.txt names {len(names)} photographs"
        raise _error(f"{problem}; both must have one line for each photograph, in one order", path=path)
    if "" in captions:
        raise _error(f"has an empty caption in line {captions.index('') + 1}; correct it", path=path)
    images = [path_below(folder / IMAGES, name, where=f"{_SPLITS}/{split}.txt") for name in names]
    if absent := [image.name for image in images if not image.is_file()]:
        shown = f"{absent[0]} and {len(absent) - 1} more photographs" if len(absent) > 1 else absent[0]
        raise CAPTIONS.lacks(spec, folder=folder, names=[f"{IMAGES}/{shown}"], step=_STEP)
    return {
        "image": [{"bytes": None, "path": str(image)} for image in images],
        "caption": captions,
        "id": [image.stem for image in images],
    }


def _image_places(folder: Path, names: Sequence[str], *, split: str) -> tuple[tuple[str, str], ...]:
    return _checked_places(folder / IMAGES, tuple(names), f"{_SPLITS}/{split}.txt")


@lru_cache(maxsize=16)
def _checked_places(folder: Path, names: tuple[str, ...], where: str) -> tuple[tuple[str, str], ...]:
    """Return the names and paths of photographs; to check 30,000 names takes longer than to look at the files."""
    return tuple((name, str(path_below(folder, name, where=where))) for name in names)


def _size_of_file(path: str) -> int:
    """Return the size of a file, or -1 where there is none.

    Raises:
        OSError: The disk does not say.
    """
    try:
        facts = os.stat(path)  # noqa: PTH116  (a Path for each of 30,000 photographs takes three times as long)
    except (FileNotFoundError, NotADirectoryError):
        return -1
    return facts.st_size if stat.S_ISREG(facts.st_mode) else -1


def _caption_file(spec: TaskSpec, folder: Path, *, split: str, language: str, is_needed: bool = True) -> Path | None:
    found = next((path for path in _caption_paths(folder, split, language) if path.is_file()), None)
    if found is None and is_needed:
        raise CAPTIONS.lacks(spec, folder=folder, names=[f"{_RAW}/{split}.{language}.gz"], step=_STEP)
    return found


def _caption_paths(folder: Path, split: str, language: str) -> Sequence[Path]:
    return [folder / _RAW / f"{split}.{language}{ending}" for ending in ("", ".gz")]


def _folder(spec: TaskSpec) -> Path:
    assert isinstance(spec.source, CaptionSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    return CAPTIONS.of(spec, source=spec.source)


def _content(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, *GZIP_ERRORS) as error:  # a damaged gzip file
        raise _error(f"cannot be read: {error}; copy it again", path=path) from None


def _lines(path: Path) -> list[str]:
    try:
        # Not `splitlines`: a caption can hold characters that Unicode counts as line ends.
        return _content(path).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise _error(f"is not UTF-8: {error}; copy it again", path=path) from None


def _error(problem: str, *, path: Path) -> TaskDataError:
    return TaskDataError(f"cannot read captions: {path.name} {problem}")
