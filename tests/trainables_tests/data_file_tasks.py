"""Tasks that read one data file: what comes of it, or the message that refuses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.own_task import write_fields
from trainables.data.sources.loader import load_rows
from trainables.data.sources.readable import check_readable
from trainables.errors import InputError
from trainables.own_tasks.task_file import load_task_file
from trainables.tasks.spec import TaskSpec

PAIR = {
    "name": "paare",
    "kind": "sentence_pair",
    "columns": {"premise": "a", "hypothesis": "b", "label": "gold"},
    "labels": ["ja", "nein"],
}
TEXT = {"name": "texte", "kind": "masked_lm", "columns": {"text": "a"}, "masking": {}}


def task_of(folder: Path, name: str, content: str | bytes, *, task: dict[str, Any] = PAIR, **source: Any) -> TaskSpec:
    """Return a task that reads one file, with all its rows checked."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    fields = {**task, "source": {"files": {"train": name}, **source}}
    spec = load_task_file(write_fields(folder / "my.task.yaml", **fields))
    check_readable(spec, split="train", language="en")
    return spec


def read(folder: Path, name: str, content: str | bytes, **options: Any) -> list[list[Any]]:
    """Return the cells of the rows that a task reads from a file."""
    return [list(row.values()) for row in load_rows(task_of(folder, name, content, **options), split="train").to_list()]


def refusal(folder: Path, name: str, content: str | bytes, **options: Any) -> str:
    """Return the message that refuses a file; it is one line."""
    with pytest.raises(InputError) as caught:
        task_of(folder, name, content, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message
