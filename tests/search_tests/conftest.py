"""Records to test with: the whole contract runs over SQLite and over a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from search.record import Record, open_record
from tests.postgres import NoServerError, Server, running_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server, started when the first test asks for it."""
    try:
        with running_server() as server:
            yield server
    except NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture(params=["sqlite", "postgresql"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """The place of this test's record, the same one at each call."""
    if request.param == "sqlite":
        return lambda: str(tmp_path / "record.db")
    server: Server = request.getfixturevalue("postgres")
    url = server.new_database()
    return lambda: url


@pytest.fixture
def record(new_place: Callable[[], str]) -> Iterator[Record]:
    with open_record(new_place()) as opened:
        opened.put_sweep("demo", spec={"trials": 4, "space": {"a": 1}}, objective="average", planned_trials=4)
        yield opened


@pytest.fixture(autouse=True)
def one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """GP alone computes in this process: on all cores it would race with the tests beside it, and take longer."""
    if "[gp" not in request.node.name:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
