"""A task as a user makes one up: German questions in a csv with semicolons, answers in columns, labels as letters."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import yaml

COLOURS = ("rot", "blau", "gelb")
NUM_ROWS = {"train": 40, "dev": 12}


def write_own_task(folder: Path, *, name: str = "farben") -> Path:
    """Write the task's file and its two csv files; returns the task file."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, num_rows in NUM_ROWS.items():
        (folder / f"{split}.csv").write_text(own_csv(num_rows, seed=split), encoding="utf-8")
    return write_fields(folder / f"{name}.task.yaml", **(own_fields() | {"name": name}))


def own_fields() -> dict[str, Any]:
    """Return the fields of the task file."""
    return {
        "name": "farben",
        "kind": "multiple_choice",
        "languages": ["de"],
        "source": {"files": {"train": "train.csv", "validation": "dev.csv"}, "delimiter": ";"},
        "columns": {"question": "frage", "choices": ["a", "b", "c"], "label": "antwort"},
        "label_values": ["A", "B", "C"],
    }


def write_fields(path: Path, **fields: Any) -> Path:
    """Write a task file."""
    path.write_text(yaml.safe_dump(fields, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def own_csv(num_rows: int, *, seed: str) -> str:
    """Return the rows: each names a colour, and the answer repeats it."""
    rng = random.Random(seed)  # noqa: S311  words, no secrets
    lines = ["frage;a;b;c;antwort"]
    for number in range(num_rows):
        answers = rng.sample(COLOURS, 3)
        right = rng.randrange(3)
        lines.append(f"Ball {number} ist {answers[right]}. Welche Farbe hat er?;{';'.join(answers)};{'ABC'[right]}")
    return "\n".join(lines) + "\n"
