"""The process that reports a sweep's events while the sweep runs: `python -m search.tracking.tracking_process`.

It reads its order from standard input, and ends when that is closed: because the sweep has ended, or its driver was
killed. Each sink has a thread; a sink that hangs keeps only its own thread. The process writes nothing to the record.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import threading
from collections.abc import Generator
from functools import partial
from pathlib import Path

from search.record import open_record
from search.tracking.courier import Courier, Route, now
from search.tracking.losses import LossCollector
from search.tracking.sink import Sink, SinkPlace
from search.tracking.sinks import make_sink, secrets_of
from spaces.track import SinkConfig
from trainables.config import FrozenModel

SECONDS_BETWEEN_LOSSES = 1.0

_NICENESS = 10
"""The sweep's own processes come first."""


class TrackingOrder(FrozenModel):
    """What the process does."""

    sweep: str
    origin: str
    """Names this sweep of this record."""
    record: str
    """Path or URL of the record."""
    folder: str
    """Folder for positions and losses."""
    home: str
    """Folder that relative folders of sinks are in."""
    progress: str
    """Folder with a progress file for each running trial."""
    log: str
    """File for failures of sinks."""
    sinks: tuple[SinkConfig, ...]

    def routes(self) -> tuple[Route, ...]:
        """Return the route to each sink."""
        return tuple(
            Route(sweep=self.sweep, origin=self.origin, folder=Path(self.folder), config=config)
            for config in self.sinks
        )


def track(order: TrackingOrder, *, ended: threading.Event) -> None:
    """Report events and losses until `ended` is set, and then what is left."""
    collector = LossCollector(order.sweep, progress=Path(order.progress), file=Path(order.folder) / "losses.jsonl")
    with contextlib.ExitStack() as records:
        couriers = [
            Courier(
                route=route,
                record=records.enter_context(open_record(order.record, read_only=True)),
                make=partial(_made, route, order),
                log=partial(_note, Path(order.log), secrets_of(route.config, dict(os.environ))),
                ended=ended,
            )
            for route in order.routes()
        ]
        threads = [threading.Thread(target=courier.run, daemon=True) for courier in couriers]
        for thread in threads:
            thread.start()
        while not ended.wait(SECONDS_BETWEEN_LOSSES):
            collector.collect()
        for thread in threads:
            thread.join()


def _made(route: Route, order: TrackingOrder, kept: dict[str, str]) -> Sink:
    target = route.config.target
    place = SinkPlace(
        sweep=order.sweep,
        origin=order.origin,
        target=str(Path(order.home) / target) if route.config.kind == "tensorboard" else target,
        folder=route.own_folder,
        kept=kept,
        environment=dict(os.environ),
    )
    return make_sink(route.config, place=place)


def _note(log: Path, secrets: list[str], line: str) -> None:
    """Append a line to the log, without the values of secrets."""
    for secret in secrets:
        line = line.replace(secret, "***")
    with contextlib.suppress(OSError):
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{now()} {line.splitlines()[0][:500]}\n")


@contextlib.contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Wait until no other process reports this sweep: that of a driver that was killed may still be ending."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run() -> None:
    order = TrackingOrder.model_validate_json(sys.stdin.readline())
    os.nice(_NICENESS)
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    with _alone(Path(order.folder)):
        track(order, ended=ended)
    sys.stdout.flush()
    os._exit(0)  # a library's threads may hang


if __name__ == "__main__":
    _run()
