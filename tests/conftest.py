"""Inputs that many tests share; made once, when the first test asks for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No deadline: the machines are shared. The same examples each time: two runs of one commit give the same verdict;
# `make faults` draws new ones.
settings.register_profile(
    "xstilts",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("XSTILTS_EXAMPLES") != "new",
)
settings.load_profile("xstilts")

# One thread for each process that computes: pytest runs as many workers as there are cores, and with threads of several
# processes on one core, most of the time goes into waiting for each other. Set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Images often set it. Each process that a test starts would then compile the modules of this project anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run files with slow tests first: at the end, no process waits long for another's last file."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="module", autouse=True)
def tasks_of_the_module() -> Iterator[None]:
    """Takes away the tasks that a module's tests registered: which modules share a process is chance."""
    from trainables.tasks import registry

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_tasks", dict(registry.tasks()))
        yield


SHARED_CACHE = ("contracts", "devices", "end_to_end", "search_tests")
"""Folders of tests whose stores share encoded data; the others test the cache itself, or faults in it."""


@pytest.fixture(scope="module", autouse=True)
def encoded_once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Lets sweeps share encoded splits, also between pytest processes: it was nearly half of a rank's work."""
    if request.path.relative_to(Path(__file__).parent).parts[0] not in SHARED_CACHE:
        yield
        return
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XSTILTS_CACHE", str(folder / "encoded-once"))
        yield


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random XLM-R of two layers."""
    from tests.tiny import write_encoder

    return write_encoder(tmp_path_factory.mktemp("tiny") / "encoder")


@pytest.fixture(scope="session")
def tiny_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mirror with a few rows of mnli, xnli, commonsense_qa and nlvr."""
    from tests.tiny import write_mirror

    return write_mirror(tmp_path_factory.mktemp("tiny") / "mirror")


@pytest.fixture(scope="module")
def tiny_world(tiny_mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Makes the tiny mirror the one that this process and those it starts read, offline."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XSTILTS_MIRROR", str(tiny_mirror))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_DATASETS_CACHE", str(tmp_path_factory.getbasetemp() / "datasets-cache"))
        yield
