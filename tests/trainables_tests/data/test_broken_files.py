"""Files that something happened to: each is read right, or refused by file and by line, row or field."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.own_task import write_fields
from tests.trainables_tests.broken_files import LABELS, BrokenFile, broken_files
from trainables.data.sources.loader import load_rows
from trainables.data.sources.readable import check_readable
from trainables.errors import InputError
from trainables.own_tasks.task_file import load_task_file

NUM_FILES = 600
PLACE = re.compile(r"(line|row) \d+|source\.\w+|columns\.\w+|splits\.\w+")


def outcome(file: BrokenFile, folder: Path) -> list[dict[str, Any]] | str:
    """Return the rows that a task reads from a file, or the message that refuses it."""
    (folder / file.name).write_bytes(file.content)
    path = write_fields(
        folder / "my.task.yaml",
        name="paare",
        kind="sentence_pair",
        columns={"premise": "a", "hypothesis": "b", "label": "gold"},
        labels=list(LABELS),
        source={"files": {"train": file.name}, **file.source},
    )
    try:
        spec = load_task_file(path)
        check_readable(spec, split="train", language="en")
        return load_rows(spec, split="train").to_list()
    except InputError as error:
        return str(error)


def expected(file: BrokenFile) -> list[tuple[Any, Any]] | None:
    """Return the texts that an independent reading finds, or None where there is nothing to be found."""
    return None if file.rows is None else [(row["a"], row["b"]) for row in file.rows]


def labels_agree(found: list[dict[str, Any]], file: BrokenFile) -> bool:
    """Return whether every label that is one of the task's names has its number."""
    pairs = [(row["label"], right.get("gold")) for row, right in zip(found, file.rows or [], strict=True)]
    return all(label == LABELS.index(gold) for label, gold in pairs if gold in LABELS)


def is_refused_by_its_place(message: str, file: BrokenFile) -> bool:
    """Return whether a message is one line that names the file and a line, a row or a field."""
    return "\n" not in message and file.name in message and PLACE.search(message) is not None


@pytest.mark.slow
def test_a_file_that_something_happened_to_is_read_right_or_refused_by_its_place() -> None:
    broken: dict[bool, set[bytes]] = {True: set(), False: set()}  # whether it was read -> the files

    @settings(
        max_examples=NUM_FILES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(broken_files())
    def holds(file: BrokenFile) -> None:
        with tempfile.TemporaryDirectory() as folder:
            found = outcome(file, Path(folder))
        if not file.must_be_read:
            broken[not isinstance(found, str)].add(file.name.encode() + file.content)
        if isinstance(found, str):
            assert not file.must_be_read, found
            assert is_refused_by_its_place(found, file), found
        else:
            assert [(row["premise"], row["hypothesis"]) for row in found] == expected(file)
            assert labels_agree(found, file)

    holds()
    assert len(broken[False]) >= 150, "too few were refused: the generator breaks too little"
    assert len(broken[True] | broken[False]) >= 200
