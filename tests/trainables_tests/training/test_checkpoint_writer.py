"""When a checkpoint inside a stage is due."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trainables.training import checkpoint_writer, training_state
from trainables.training.checkpoint_writer import CHECKPOINT, CONTINUE, USUAL_SECONDS, CheckpointWriter
from trainables.training.training_state import TrainingState


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test sets."""
    now = [0.0]
    monkeypatch.setattr(checkpoint_writer.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> TrainingState:
    """A state whose files nobody needs: writing it takes no time."""
    monkeypatch.setattr(training_state, "write_state", lambda state, folder: None)  # noqa: ARG005
    return TrainingState(
        weights={"w": torch.zeros(1)}, optimizer={}, generators=(), losses=(1.0,), tallies={}, seconds=1.0
    )


def due_after(writer: CheckpointWriter, clock: list[float], *, start: float) -> float:
    """Return the seconds after which the next checkpoint is due."""
    for seconds in range(0, 10_000, 10):
        clock[0] = start + seconds
        if writer.request() == CHECKPOINT:
            return seconds
    raise AssertionError("none is due")


def test_a_cheap_checkpoint_is_due_every_three_minutes(
    tmp_path: Path, clock: list[float], state: TrainingState
) -> None:
    writer = CheckpointWriter(tmp_path, seconds=None)
    assert due_after(writer, clock, start=0.0) == USUAL_SECONDS

    writer.write(state, wait=False, copy_seconds=0.5)
    writer.finish()

    assert due_after(writer, clock, start=clock[0]) == USUAL_SECONDS


def test_a_dear_one_takes_at_most_a_fiftieth_of_the_time(
    tmp_path: Path, clock: list[float], state: TrainingState
) -> None:
    writer = CheckpointWriter(tmp_path, seconds=None)

    writer.write(state, wait=False, copy_seconds=12.0)
    writer.finish()

    assert due_after(writer, clock, start=clock[0]) == pytest.approx(12.0 * 50, abs=10)


def test_a_number_that_the_user_gave_is_obeyed(tmp_path: Path, clock: list[float], state: TrainingState) -> None:
    writer = CheckpointWriter(tmp_path, seconds=20.0)

    writer.write(state, wait=False, copy_seconds=12.0)
    writer.finish()

    assert due_after(writer, clock, start=clock[0]) == 20.0


def test_no_folder_no_checkpoint(clock: list[float]) -> None:
    clock[0] = 1e6

    assert CheckpointWriter(None, seconds=None).request() == CONTINUE
