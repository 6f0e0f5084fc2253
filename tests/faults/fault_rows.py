"""The table of faults: what is done to a short sweep, and at which moment."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from search.record import open_record
from tests.end_to_end.drivers import Driver
from tests.faults.fault_bench import NAME, Bench, process_of, wait_for
from tests.faults.killing import arm
from tests.faults.remounting import make_read_only
from trainables.training.checkpoint_writer import STOP

THREE_DAYS = 3 * 86_400
SECONDS_TO_END = 20.0
"""A host that is taken away gives a sweep so long after SIGTERM."""
EXIT_INTERRUPTED = 3
MEGABYTES_LEFT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault."""

    fault: str
    """What is done."""
    moment: str
    """When it is done."""
    strike: Callable[[Bench], None]
    """Starts the sweep, does it, and has the sweep finish."""

    def __str__(self) -> str:
        return f"{self.fault}, {self.moment}"


def killed(kind: str, moment: str) -> Row:
    """SIGKILL of a process of a kind."""
    # Without its daemons Ray is lost, and the raylet ends with its agent; without other processes a sweep goes on.
    exits = {"driver": (-signal.SIGKILL,), "raylet": (0, 1), "gcs": (0, 1), "agent": (0, 1)}.get(kind, (0,))

    def strike(bench: Bench) -> None:
        driver = bench.start()
        with bench.at(moment, driver=driver), contextlib.suppress(psutil.NoSuchProcess):
            process_of(driver, kind).kill()
        bench.finish(driver, exits=exits)

    return Row(fault=f"SIGKILL of the {kind}", moment=moment, strike=strike)


def mount(options: str, folder: Path) -> None:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")


@contextlib.contextmanager
def store_on_a_small_disk(bench: Bench) -> Generator[Path]:
    """Have the store on a file system of 50 MB of its own."""
    folder = bench.home / "disk"
    folder.mkdir()
    mount("size=50m", folder)
    bench.store = folder / "store"
    try:
        yield folder
        shutil.copytree(bench.store, bench.home / "kept")
        bench.store = bench.home / "kept"
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def wait_for_pause(bench: Bench, *, driver: Driver) -> None:
    """Wait until the sweep pauses."""

    def is_paused() -> bool:
        with open_record(bench.home / "record.db") as record:
            return "paused" in [event.kind for event in record.events(NAME)]

    wait_for(is_paused, driver=driver, what="the pause")


def full_disk(bench: Bench) -> None:
    with store_on_a_small_disk(bench) as folder:
        driver = bench.start()
        with bench.at("checkpoint", driver=driver):
            ballast = folder / "ballast"
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
        wait_for_pause(bench, driver=driver)
        ballast.unlink()
        bench.finish(driver, exits=(0,))


def read_only_disk(bench: Bench) -> None:
    with store_on_a_small_disk(bench) as folder:
        driver = bench.start()
        with bench.at("training", driver=driver):
            pass
        make_read_only(folder, while_true=lambda: driver.poll() is None)
        wait_for_pause(bench, driver=driver)
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
        bench.finish(driver, exits=(0,))


def failing_disk(bench: Bench) -> None:
    driver = bench.start()
    fired = arm(bench.faults, serial=1, role="any", call="rename", when="failing", nth=1, path="/stages/")
    wait_for(fired.exists, driver=driver, what="the call that fails")
    bench.finish(driver, exits=(0,))


def deleted_store(bench: Bench) -> None:
    bench.makes_again = True
    driver = bench.start()
    with bench.at("evaluation", driver=driver):
        process_of(driver, "driver").kill()
    bench.ended.append(driver.end())
    shutil.rmtree(bench.store)
    bench.finish(exits=(-signal.SIGKILL,))


def older_record(bench: Bench) -> None:
    """Bring back a copy of the record from before the first trial had a result."""
    copy = bench.home / "older"
    driver = bench.start()
    with bench.at("checkpoint", driver=driver):
        process_of(driver, "driver").kill()
    bench.ended.append(driver.end())
    copy.mkdir()
    for path in bench.home.glob("record.db*"):
        shutil.copytree(path, copy / path.name) if path.is_dir() else shutil.copy2(path, copy / path.name)
    bench.ended.append(bench.start().end())
    assert bench.ended[-1].exit_code == 0, bench.ended[-1].stderr
    for path in bench.home.glob("record.db*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in copy.iterdir():
        path.rename(bench.home / path.name)
    bench.ended.append(bench.start().end())
    assert bench.ended[-1].exit_code == 0, bench.ended[-1].stderr


def wrong_clock(seconds: int) -> Callable[[Bench], None]:
    def strike(bench: Bench) -> None:
        driver = bench.start()
        with bench.at("checkpoint", driver=driver):
            process_of(driver, "driver").kill()
        bench.ended.append(driver.end())
        bench.ended.append(bench.start(variables={"XSTILTS_CLOCK_OFFSET": str(seconds)}).end())
        assert bench.ended[-1].exit_code == 0, bench.ended[-1].stderr

    return strike


def few_open_files(bench: Bench) -> None:
    shell = ("bash", "-c", 'ulimit -n 64; exec "$@"', "bash")
    ended = bench.start(prefix=shell)
    wait_deadline = time.monotonic() + SECONDS_TO_END * 3
    while ended.poll() is None and time.monotonic() < wait_deadline:
        time.sleep(0.05)
    assert ended.poll() == 2
    bench.finish(exits=(0,))


def no_more_memory(bench: Bench) -> None:
    """A rank may take no more memory than it has: the next allocation fails. Its successor is free again."""
    driver = bench.start()
    with bench.at("checkpoint", driver=driver):
        rank = process_of(driver, "rank")
        most = rank.memory_info().vms + (MEGABYTES_LEFT << 20)
        resource.prlimit(rank.pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    bench.finish(driver, exits=(0,))


def signalled(number: signal.Signals, *, is_to_group: bool) -> Callable[[Bench], None]:
    """A signal that asks to stop: exit 3 in time, with a checkpoint of what was being trained."""

    def strike(bench: Bench) -> None:
        driver = bench.start()
        with bench.at("first checkpoint", driver=driver):
            rank = process_of(driver, "rank")
            rank.suspend()  # the stage cannot end before the signal is known
        (os.killpg if is_to_group else os.kill)(driver.number, number)
        began = time.monotonic()
        while not any(bench.store.rglob(STOP)) and time.monotonic() - began < SECONDS_TO_END / 2:
            time.sleep(0.05)
        rank.resume()
        while driver.poll() is None and time.monotonic() - began < 3 * SECONDS_TO_END:
            time.sleep(0.05)
        seconds = time.monotonic() - began
        ended = driver.end()
        bench.ended.append(ended)
        assert ended.exit_code == EXIT_INTERRUPTED, ended.stderr
        assert seconds < SECONDS_TO_END
        assert [trial.state for trial in ended.trials] == ["interrupted"]
        # A stage that was finished before the signal needs no checkpoint.
        assert [path for kind in ("checkpoints", "stages") for path in bench.store.glob(f"{kind}/*/*/manifest.json")]
        bench.ended.append(bench.start().end())
        assert bench.ended[-1].exit_code == 0, bench.ended[-1].stderr

    return strike


def suspended(kind: str, *, seconds: float) -> Callable[[Bench], None]:
    def strike(bench: Bench) -> None:
        driver = bench.start()
        with bench.at("checkpoint", driver=driver):
            process = process_of(driver, kind)
            process.suspend()
        time.sleep(seconds)
        process.resume()
        bench.finish(driver, exits=(0,))

    return strike


def two_drivers(bench: Bench) -> None:
    """The second one follows the first, and both end in order."""
    driver = bench.start()
    with bench.at("encoding", driver=driver):
        other: Driver = bench.start()
        time.sleep(3)
    bench.finish(driver, exits=(0,))
    bench.ended.append(other.end())
    assert bench.ended[-1].exit_code in {0, 2}, bench.ended[-1].stderr
    assert "Traceback" not in bench.ended[-1].stderr


ROWS = (
    killed("driver", "encoding"),
    killed("driver", "training"),
    killed("driver", "publish"),
    killed("driver", "evaluation"),
    killed("trial process", "checkpoint"),
    killed("trial process", "publish"),
    killed("trial process", "evaluation"),
    killed("rank", "encoding"),
    killed("rank", "checkpoint"),
    killed("raylet", "training"),
    killed("gcs", "evaluation"),
    killed("agent", "training"),
    killed("rank", "publish"),
    Row(fault="full disk", moment="checkpoint", strike=full_disk),
    Row(fault="read-only disk", moment="training", strike=read_only_disk),
    Row(fault="EIO", moment="publish", strike=failing_disk),
    Row(fault="deleted store", moment="between two commands", strike=deleted_store),
    Row(fault="older record", moment="between two commands", strike=older_record),
    Row(fault="clock back three days", moment="between two commands", strike=wrong_clock(-THREE_DAYS)),
    Row(fault="clock forward three days", moment="between two commands", strike=wrong_clock(THREE_DAYS)),
    Row(fault="64 open files", moment="start", strike=few_open_files),
    Row(fault="no more memory", moment="training", strike=no_more_memory),
    Row(fault="SIGTERM to the group", moment="first checkpoint", strike=signalled(signal.SIGTERM, is_to_group=True)),
    Row(fault="SIGINT of the driver", moment="first checkpoint", strike=signalled(signal.SIGINT, is_to_group=False)),
    Row(fault="SIGSTOP, SIGCONT of the driver", moment="checkpoint", strike=suspended("driver", seconds=8)),
    Row(fault="SIGSTOP, SIGCONT of the maker", moment="checkpoint", strike=suspended("trial process", seconds=8)),
    Row(fault="two drivers", moment="encoding", strike=two_drivers),
)
"""27 faults."""
