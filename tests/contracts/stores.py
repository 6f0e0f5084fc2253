"""What the suites over all stage stores share: where a store is, other hosts' views of it, damage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.trainables_tests.stage_maker import FACTS
from trainables.stage_store import LeaseTimes, StageStore
from trainables.storage import Storage, open_storage

KEY, CHILD, GRANDCHILD = "ab" + "0" * 62, "cd" + "1" * 62, "ef" + "2" * 62
QUICK = LeaseTimes(heartbeat_seconds=0.1, expiry_seconds=0.5)
MODEL = "model.safetensors"


@dataclass
class Place:
    """Where a store is; each `open` is another host's view of it, with its own downloads."""

    url: str
    folder: Path
    num_opened: int = 0

    def open(self, times: LeaseTimes | None = None) -> StageStore:
        self.num_opened += 1
        return StageStore(self.url, cache=self.folder / f"cache-{self.num_opened}", times=times)

    @property
    def storage(self) -> Storage:
        return open_storage(self.url)

    def names(self, below: str) -> list[str]:
        return [entry.name for entry in self.storage.entries(below)]


class Clock:
    """The clock of a host, moved by hand: waiting out an expiry for real would make a test slow and flaky."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def time(self) -> float:
        return self.seconds


def child_of(store: StageStore, parent: str, key: str = CHILD) -> None:
    with store.lease(key), store.work_folder(key) as folder:
        (folder / MODEL).write_text(f"made from {parent[:2]}")
        store.commit(key, folder=folder, facts=FACTS.model_copy(update={"parent": parent}))


def checkpoint(store: StageStore, step: int, text: str = "state") -> None:
    folder = store.root / "work" / "checkpoint"
    folder.mkdir()
    (folder / "state.safetensors").write_text(f"{text} {step}")
    store.put_checkpoint(KEY, step=step, folder=folder)


def damage(place: Place, name: str, change: Callable[[bytes], bytes | None]) -> None:
    """Change the one file whose name starts with the first part of a name and ends with the rest."""
    first, rest = name.split("/", 1)
    (found,) = [one for one in place.names(first) if one.endswith(rest)]
    content = place.storage.read(found)
    assert content is not None
    changed = change(content)
    place.storage.remove(found) if changed is None else place.storage.write(found, changed)


def model_of(place: Place, key: str) -> str:
    (name,) = [one for one in place.names("stages") if key in one and one.endswith(MODEL)]
    return name
