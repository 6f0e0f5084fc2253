"""Every fault of the table (`fault_rows.py`): the sweep ends as the unbroken one.

    XSTILTS_FAULT_ROWS=all pytest -s tests/faults/test_fault_table.py

runs all rows and prints what held; without the variable only a few run. `make faults` runs all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any  # Any: pytest names no type of its plugins

import pytest

from tests.faults.fault_bench import NAME, Bench, write_spec
from tests.faults.fault_rows import ROWS, Row
from tests.faults.killing import unbroken_outcome

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_world")]

SAMPLE = ("SIGTERM to the group, first checkpoint", "SIGKILL of the trial process, publish")
"""The rows that every run of the tests has."""
CHOSEN = ROWS if os.environ.get("XSTILTS_FAULT_ROWS") == "all" else [row for row in ROWS if str(row) in SAMPLE]


@pytest.fixture(scope="module")
def unbroken(
    tiny_world: None,  # noqa: ARG001  (the sweep's processes read it)
    tiny_encoder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[tuple[object, ...]]:
    """What comes of the sweep without a fault."""
    home = tmp_path_factory.mktemp("unbroken")
    return unbroken_outcome(home, write_spec(home, tiny_encoder), sweep=NAME)


@pytest.fixture(scope="module")
def held(request: pytest.FixtureRequest) -> Iterator[dict[str, bool]]:
    """Row -> whether all held that must hold; printed when the module's tests have run."""
    found: dict[str, bool] = {}
    yield found
    lines = [f"{row:<55} {'held' if has_held else 'DID NOT HOLD'}" for row, has_held in found.items()]
    capture: Any = request.config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n" + "\n".join([*lines, f"{sum(found.values())} of {len(found)} faults held"]))  # noqa: T201


def test_the_table_has_every_kind_of_fault_once() -> None:
    assert len({str(row) for row in ROWS}) == len(ROWS) == 27
    assert {"encoding", "training", "checkpoint", "publish", "evaluation"} <= {row.moment for row in ROWS}
    assert {*SAMPLE} <= {str(row) for row in ROWS}


@pytest.mark.parametrize("row", CHOSEN, ids=str)
def test_the_sweep_ends_as_the_unbroken_one(
    row: Row, unbroken: list[tuple[object, ...]], tiny_encoder: Path, tmp_path: Path, held: dict[str, bool]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    bench = Bench(home=home, spec=write_spec(tmp_path, tiny_encoder), store=home / "store")
    held[str(row)] = False
    row.strike(bench)
    bench.check(unbroken)
    held[str(row)] = True
