"""Reads CCGbank's supertags from a user's own copy. No torch here.

The environment variable of the source names a folder. The folder is CCGbank as LDC distributes it
(`data/AUTO/<section>/*.auto`; sections 02-21 are train, 00 is validation, 23 is test: Clark and Curran 2007, section
9). Or it holds `train.txt`, `validation.txt` and optionally `test.txt`: one sentence a line, words separated by spaces,
each written `word|supertag` or, as the C&C tools do, `word|POS|supertag`.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from trainables.errors import TaskDataError, UnavailableError
from trainables.file_hashes import file_hash
from trainables.names import folder_of_variable
from trainables.tasks.spec import CorpusSource, TaskSpec

Sentence = tuple[tuple[str, ...], tuple[str, ...]]
"""Words, and one supertag for each word."""

UNSEEN = -2
"""Number of a supertag that is not in the train split: it is never predicted, and counts as wrong."""

_SECTIONS = {"train": range(2, 22), "validation": range(1), "test": range(23, 24)}
_LEAF = re.compile(r"<L (\S+) \S+ \S+ (\S+) \S+>")
_FORMAT = (
    "it must be the folder of CCGbank (with data/AUTO), or hold train.txt and validation.txt with one sentence a line, "
    "each word written word|supertag or word|POS|supertag"
)


def corpus_folder(source: CorpusSource) -> Path | None:
    """Return the folder that the source's environment variable names, or None if the variable is not set.

    Raises:
        UnavailableError: The variable does not name a folder.
    """
    return folder_of_variable(source.variable, what="the corpus", step=f"{_FORMAT}; correct it")


def with_supertags(spec: TaskSpec) -> TaskSpec:
    """Return the task with the supertags of the user's train split as its labels.

    A task with another source is returned unchanged, and so is a corpus whose folder is not set.

    Raises:
        InputError: The folder or its files cannot be read.
    """
    if not isinstance(spec.source, CorpusSource) or spec.labels or corpus_folder(spec.source) is None:
        return spec
    tags = {tag for _, tags in read_sentences(spec, split="train") for tag in tags}
    return spec.model_copy(update={"labels": tuple(sorted(tags))})


def read_sentences(spec: TaskSpec, *, split: str) -> tuple[Sentence, ...]:
    """Return a split's sentences in the files' order.

    Args:
        spec: A task whose source is a corpus.
        split: `train`, `validation` or `test`.

    Raises:
        UnavailableError: The variable is not set, or the folder does not have the split; the message says what to do.
        TaskDataError: A line has another format.
    """
    files = _files(spec, split=split)
    return _read(files, tuple((path.stat().st_size, path.stat().st_mtime_ns) for path in files))


def corpus_fingerprint(spec: TaskSpec) -> str:
    """Return a hash of the content of every split's files.

    Raises:
        UnavailableError: The variable is not set, or the folder does not have train or validation.
    """
    digest = hashlib.sha256()
    for split in ("train", "validation"):
        for path in _files(spec, split=split):
            digest.update(f"{split}\0{path.name}\0{file_hash(path)}\n".encode())
    return digest.hexdigest()


def _files(spec: TaskSpec, *, split: str) -> tuple[Path, ...]:
    assert isinstance(spec.source, CorpusSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    folder = corpus_folder(spec.source)
    if folder is None:
        msg = (
            f"cannot read task {spec.name!r}: its corpus is licensed ({spec.licence}) and read from your own copy, but "
            f"{spec.source.variable} is not set; set it to the folder of your copy: {_FORMAT}; "
            f"`xstilts tasks {spec.name}` says where to get it"
        )
        raise UnavailableError(msg)
    auto = next((path for path in (folder / "data" / "AUTO", folder / "AUTO") if path.is_dir()), None)
    if auto is not None:
        files = [path for section in _SECTIONS[split] for path in sorted((auto / f"{section:02}").glob("*.auto"))]
    else:
        files = [path for path in (folder / f"{split}.txt",) if path.is_file()]
    if not files:
        msg = f"cannot read task {spec.name!r}: {str(folder)!r} has no {split} split; {_FORMAT}; add the missing files"
        raise UnavailableError(msg)
    return tuple(files)


@lru_cache(maxsize=8)
def _read(files: tuple[Path, ...], facts: tuple[tuple[int, int], ...]) -> tuple[Sentence, ...]:
    """Return the sentences of files; sizes and times are arguments so that changed files are read again."""
    del facts
    return tuple(sentence for path in files for sentence in _sentences(path))


def _sentences(path: Path) -> list[Sentence]:
    lines = _lines(path)
    if path.suffix == ".auto":
        leaves = [_LEAF.findall(line) for line in lines if not line.startswith("ID=")]
        return [_sentence([(word, tag) for tag, word in found]) for found in leaves if found]
    return [_sentence(_words(line, path=path, number=number)) for number, line in enumerate(lines, 1) if line.strip()]


def _lines(path: Path) -> list[str]:
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode().split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = f"0x{content[error.start]:02x}"
        msg = f"cannot read {str(path)!r}: line {line} holds byte {byte}, which is not UTF-8; save the file as UTF-8"
        raise TaskDataError(msg) from None


def _words(line: str, *, path: Path, number: int) -> list[tuple[str, str]]:
    parts = [entry.split("|") for entry in line.split()]
    wrong = next((part for part in parts if len(part) not in (2, 3) or not part[0] or not part[-1]), None)
    if wrong is not None:
        msg = (
            f"cannot read {str(path)!r}: line {number} holds {'|'.join(wrong)!r}; each word must be written "
            "word|supertag or word|POS|supertag, with spaces between words; correct the line"
        )
        raise TaskDataError(msg)
    return [(part[0], part[-1]) for part in parts]


def _sentence(pairs: Sequence[tuple[str, str]]) -> Sentence:
    return tuple(word for word, _ in pairs), tuple(tag for _, tag in pairs)
