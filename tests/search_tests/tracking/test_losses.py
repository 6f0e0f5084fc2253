"""Losses of running trials are collected, and survive the process that collects them."""

from __future__ import annotations

from pathlib import Path

from search.tracking.losses import LossCollector, read_losses
from trainables.monitoring.progress import Progress, ProgressFile


def report(folder: Path, number: int, step: int, loss: float | None = 1.0, *, phase: str = "target") -> None:
    progress = Progress(phase=phase, step=step, num_steps=100, loss=loss)  # pyright: ignore[reportArgumentType]
    ProgressFile(folder / f"{number}.json")(progress)


def test_each_new_report_is_collected_once(tmp_path: Path) -> None:
    folder, file = tmp_path / "progress", tmp_path / "losses.jsonl"
    collector = LossCollector("demo", progress=folder, file=file)
    report(folder, 3, 10, 2.5)
    report(folder, 4, 10, None)  # an evaluation has no loss

    assert (collector.collect(), collector.collect()) == (1, 0)
    report(folder, 3, 20, 1.5)
    assert collector.collect() == 1

    messages, end = read_losses(file, start=0)
    assert [(message.trial, message.payload["step"], message.payload["loss"]) for message in messages] == [
        (3, 10, 2.5),
        (3, 20, 1.5),
    ]
    assert messages[0].payload == {"phase": "target", "step": 10, "num_steps": 100, "loss": 2.5}
    assert end == file.stat().st_size
    assert read_losses(file, start=end) == ([], end)


def test_half_a_line_of_a_killed_process_is_left_out(tmp_path: Path) -> None:
    folder, file = tmp_path / "progress", tmp_path / "losses.jsonl"
    first = LossCollector("demo", progress=folder, file=file)
    report(folder, 0, 10)
    first.collect()
    with file.open("a") as opened:
        opened.write('{"version": 1, "swe')
    before, end = read_losses(file, start=0)

    second = LossCollector("demo", progress=folder, file=file)
    report(folder, 0, 20)
    second.collect()
    after, _ = read_losses(file, start=end)

    assert [message.payload["step"] for message in (*before, *after)] == [10, 20]
    assert after[0].id > before[0].id


def test_a_missing_file_has_no_losses(tmp_path: Path) -> None:
    assert read_losses(tmp_path / "none", start=7) == ([], 7)
