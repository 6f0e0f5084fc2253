"""One small task of each kind of label, written as each kind of source: what the contract of sources runs on."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from tests.own_task import write_fields
from trainables.data.sources.loader import load_rows
from trainables.data.sources.readable import check_readable
from trainables.own_tasks.task_file import load_task_file

Rows = list[dict[str, Any]]
SOURCES = ("csv", "tsv", "json", "jsonl", "parquet", "hub")
LABELS = ["ja", "nein", "offen"]
FIELDS: dict[str, dict[str, Any]] = {
    "label": {
        "kind": "sentence_pair",
        "columns": {"premise": "a", "hypothesis": "b", "label": "gold"},
        "labels": LABELS,
    },
    "tags": {"kind": "tagging", "columns": {"tokens": "a", "tags": "gold"}, "labels": LABELS},
    "choices": {
        "kind": "multiple_choice",
        "columns": {"question": "a", "choices": ["b", "c", "d"], "label": "gold"},
        "label_values": LABELS,
    },
    "answers": {"kind": "span_qa", "columns": {"question": "b", "context": "a", "answers": ["gold", "start"]}},
}
"""Kind of label -> the task's fields, but its source."""

TEXTS = {"a": "Der Ball rot", "b": "rot", "c": "blau", "d": "gelb"}


def texts_of(kind: str, *, source: str) -> dict[str, Any]:
    """Return the texts of a row: words stand in a list where a format has lists."""
    return {**TEXTS, "a": TEXTS["a"].split()} if kind == "tags" and source not in {"csv", "tsv"} else dict(TEXTS)


def cells_of(kind: str, gold: Any, *, source: str) -> dict[str, Any]:
    """Return what stands for a label: three tags, or an answer and its start."""
    if kind == "answers":
        text, start = gold
        return {"gold": text, "start": start}
    if kind == "tags" and isinstance(gold, list):
        return {"gold": " ".join(map(str, gold)) if source in {"csv", "tsv"} else gold}
    return {"gold": gold}


def write_rows(path: Path, rows: Rows) -> None:
    """Write a file in the format of its ending; null is an empty cell of a csv file."""
    match path.suffix.removeprefix("."):
        case "csv" | "tsv" as ending:
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]), delimiter="," if ending == "csv" else "\t")
                writer.writeheader()
                writer.writerows(rows)
        case "json":
            path.write_text(json.dumps(rows), encoding="utf-8")
        case "jsonl":
            path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        case _:
            pq.write_table(pa.Table.from_pylist(rows), path)


def read(folder: Path, fields: Mapping[str, Any], *, source: str, write: Callable[[Path], None]) -> list[Any]:
    """Return what a task reads as labels, tags or answers.

    Args:
        folder: An empty folder; the mirror too.
        fields: The task's, but name and source.
        source: One of SOURCES.
        write: Writes the file that it is given.
    """
    if source == "hub":
        repository = folder / "datasets/o/r"
        repository.mkdir(parents=True)
        write(repository / "train.parquet")
        where: dict[str, Any] = {"source": {"repository": "o/r"}, "splits": {"train": ["train"]}}
    else:
        write(folder / f"train.{source}")
        where = {"source": {"files": {"train": f"train.{source}"}}}
    spec = load_task_file(write_fields(folder / "my.task.yaml", name="mein", languages=["de"], **fields, **where))
    check_readable(spec, split="train", language="de")
    rows = load_rows(spec, split="train", language="de")
    column = next(name for name in ("label", "tags", "answers") if name in rows.column_names)
    return rows[column][:]


def write_classes(path: Path, rows: Rows, *, names: list[str], kind: str) -> None:
    """Write Parquet as `datasets` does, `gold` being numbers of named classes."""
    data = datasets.Dataset.from_list(rows)
    one = datasets.ClassLabel(names=names)
    data = data.cast_column("gold", datasets.List(one) if kind == "tags" else one)
    data.to_parquet(str(path))
