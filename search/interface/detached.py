"""Runs a sweep in a process of its own, which continues when the one that launched it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from search.driver.follower import OwnerWatch
from search.driver.sweep import SweepRequest
from search.errors import InputError, RunError, UnknownSweepError
from search.home import Home
from search.interface.requests import run_or_follow
from search.record import JsonObject, open_record
from spaces.sweep_spec import make_sweep_spec, recorded
from trainables.config import FrozenModel
from trainables.errors import StoppedError, TrainablesError

SECONDS_BETWEEN_LOOKS = 0.2

_DONE, _FAILED, _WRONG_INPUT, _INTERRUPTED = 0, 1, 2, 3
"""Exit codes, which are those of the command line."""


class DetachedRequest(FrozenModel):
    """A request as it is passed to the process that runs it."""

    spec: JsonObject
    """The spec, as a record has it."""
    name: str
    """Name of the sweep."""
    record: str
    """Path or URL of the record."""
    store: str
    """Path or URL of the store."""
    scratch: str
    """The scratch folder."""
    trials: int
    """Number of trials of the sweep."""
    take_over: bool
    """Whether to take the sweep over."""
    defaults: tuple[str, ...]
    """Parts of the spec that its user did not name."""


def log_of(home: Home, sweep: str) -> Path:
    """Return the file with the output of the process that drives a sweep."""
    return home.log_path(sweep, number=0).with_name("driver.log")


def start_detached(request: SweepRequest) -> None:
    """Start a process that runs a sweep; return when it drives the sweep, or has nothing to do.

    Nothing is started if another process drives the sweep, unless the request takes it over.

    Raises:
        InputError: The spec, the data, the store or the record has an error; nothing was started.
        RunError: The process ended for another reason before it drove the sweep; the message has its last lines.
    """
    if not request.take_over and _is_driven(request):
        return
    log = log_of(request.home, request.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    with log.open("a") as output:
        process = subprocess.Popen(  # noqa: S603  this interpreter and this module
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    assert process.stdin is not None  # noqa: S101  it is a pipe
    with process.stdin as pipe:
        pipe.write(_passed(request).model_dump_json().encode())
    # Otherwise the process would stay a zombie after its end as long as this one lives.
    threading.Thread(target=process.wait, daemon=True).start()
    while process.poll() is None and not _drives(request, process.pid):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if code := process.poll():
        tail = log.read_text(errors="replace").strip().splitlines()[-5:]
        msg = "\n".join(tail) or f"the process that runs sweep {request.name!r} ended with exit code {code}; see {log}"
        raise InputError(msg) if code == _WRONG_INPUT else RunError(msg)


def _passed(request: SweepRequest) -> DetachedRequest:
    return DetachedRequest(
        spec=recorded(request.spec),
        name=request.name,
        record=request.home.record,
        store=request.home.store,
        scratch=str(request.home.scratch),
        trials=request.trials,
        take_over=request.take_over,
        defaults=request.defaults,
    )


def _is_driven(request: SweepRequest) -> bool:
    """Return whether another process drives a sweep."""
    try:
        with open_record(request.home.record, read_only=True) as record:
            return OwnerWatch(record, request.name).is_alive()
    except (InputError, UnknownSweepError):  # nobody has made it yet
        return False


def _drives(request: SweepRequest, process: int) -> bool:
    """Return whether a process owns a sweep."""
    try:
        with open_record(request.home.record, read_only=True) as record:
            owner = record.owner(request.name)
    except (InputError, UnknownSweepError):  # the process has not made it yet
        return False
    return owner is not None and owner.token is not None and f":{process}:" in owner.process


def _run() -> int:
    passed = DetachedRequest.model_validate_json(sys.stdin.read())
    home = Home(record=passed.record, store=passed.store, scratch=Path(passed.scratch))
    request = SweepRequest(
        spec=make_sweep_spec(passed.spec),
        name=passed.name,
        home=home,
        trials=passed.trials,
        take_over=passed.take_over,
        defaults=passed.defaults,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run_or_follow(request)
    except TrainablesError as error:
        sys.stderr.write(f"{error}\n")
        if isinstance(error, StoppedError):
            return _INTERRUPTED
        return _WRONG_INPUT if isinstance(error, ValueError) else _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    return _DONE


if __name__ == "__main__":
    sys.exit(_run())
