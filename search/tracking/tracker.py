"""Starts and ends the process that reports a sweep's events to the sinks of its spec."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

from search.errors import InputError
from search.home import Home
from search.record import Record, SweepRow, open_record
from search.tracking.courier import Route
from search.tracking.sinks import check_sinks
from search.tracking.tracking_process import TrackingOrder
from spaces.track import SinkConfig

SECONDS_TO_END = 15.0
"""How long the process may deliver what is left after the sweep has ended, before it is killed."""


@contextlib.contextmanager
def tracking(home: Home, sweep: str, sinks: Sequence[SinkConfig]) -> Generator[None]:
    """Report a sweep's events while the block runs, and for a short time after it.

    A failure of the process or of a sink never reaches the sweep. What a sink lacks at the end is printed, and is
    delivered when the sweep is resumed, or by `xstilts track`.

    Args:
        home: Has the record and the progress files.
        sweep: Name of the sweep, which is on record.
        sinks: Where to report; with none, nothing is started.
    """
    if not sinks:
        yield
        return
    with open_record(home.record, read_only=True) as record:
        order = order_of(record, home=home, sweep=sweep, sinks=sinks)
    process = _started(order)
    try:
        yield
    finally:
        if process is not None:
            _end(process, seconds=SECONDS_TO_END)
        _print_missing(home, order)


def catch_up(home: Home, sweep: str, sinks: Sequence[SinkConfig], *, seconds: float) -> tuple[Route, ...]:
    """Deliver what the sinks of a sweep lack, and return the routes of those that still lack something.

    Args:
        home: Has the record.
        sweep: Name of the sweep.
        sinks: The sinks.
        seconds: Longest time.

    Raises:
        InputError: The library of a sink is not installed.
    """
    check_sinks(sinks)
    with open_record(home.record, read_only=True) as record:
        order = order_of(record, home=home, sweep=sweep, sinks=sinks)
        process = _started(order) if _behind(record, order) else None
        if process is not None:
            _end(process, seconds=seconds)
        return _behind(record, order)


def sinks_of(sweep: SweepRow) -> tuple[SinkConfig, ...]:
    """Return the sinks in a sweep's spec on record."""
    track = sweep.spec.get("track")
    return tuple(SinkConfig.model_validate(sink) for sink in track) if isinstance(track, list) else ()


def order_of(record: Record, *, home: Home, sweep: str, sinks: Sequence[SinkConfig]) -> TrackingOrder:
    """Return the order for the process that reports a sweep."""
    row = record.sweep(sweep)
    origin = hashlib.sha256(f"{home.record} {sweep} {row.created_at!r}".encode()).hexdigest()[:12]
    return TrackingOrder(
        sweep=sweep,
        origin=origin,
        record=home.record,
        folder=str(home.scratch.parent / "tracking" / f"{sweep}-{origin}"),
        home=str(home.scratch.parent),
        progress=str(home.progress_folder(sweep)),
        log=str(log_of(home, sweep)),
        sinks=tuple(sinks),
    )


def log_of(home: Home, sweep: str) -> Path:
    """Return the file with the failures of a sweep's sinks."""
    return home.log_path(sweep, number=0).with_name("tracking.log")


def _started(order: TrackingOrder) -> subprocess.Popen[bytes] | None:
    """Start the process in a session of its own, which Ctrl-C does not reach; None if it cannot start."""
    log = Path(order.log)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as output:
            process = subprocess.Popen(  # noqa: S603  this interpreter and a module of ours
                [sys.executable, "-m", TrackingOrder.__module__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=output,
                start_new_session=True,
            )
        assert process.stdin is not None  # noqa: S101  it is a pipe
        process.stdin.write(order.model_dump_json().encode() + b"\n")
        process.stdin.flush()
    except OSError as error:
        sys.stderr.write(f"The sweep is not reported to its sinks: {error}.\n")
        return None
    return process


def _end(process: subprocess.Popen[bytes], *, seconds: float) -> None:
    """Let the process deliver what is left, and kill it if that takes too long."""
    with contextlib.suppress(OSError):
        assert process.stdin is not None  # noqa: S101  it is a pipe
        process.stdin.close()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _behind(record: Record, order: TrackingOrder) -> tuple[Route, ...]:
    return tuple(route for route in order.routes() if route.is_behind(record))


def _print_missing(home: Home, order: TrackingOrder) -> None:
    with contextlib.suppress(InputError), open_record(home.record, read_only=True) as record:
        for route in _behind(record, order):
            sys.stderr.write(
                f"The sink {route.config.kind} lacks the last events; the reason is in {order.log}.\n"
                f"To deliver them later: xstilts track {order.sweep}\n"
            )
