"""Measures what reporting a sweep to a sink costs: the CPU seconds of the tracking process, beside the sweep's own.

    cd benchmarks; python -m sinks.tracking_cost [--sink tensorboard|webhook] [--trials N] [--save FILE]

The same sweep runs twice in the generated world, one trial at a time: without `track:` and with it. The webhook is a
server of this benchmark on loopback. Five times a second, the CPU time of every process that has the sweep's
XSTILTS_HOME in its environment is read: the driver, Ray, ranks, and the tracking process, which is counted apart. Up
to 0.2 s of a process that ends are missed.

Start-up ends when the sink has its first batch. What the tracking process takes after that is divided by the minutes
that it ran, and longer sweeps are projected from both: start-up, and as much in each further minute.
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from machine import give_up, heading, save

SINKS = ("tensorboard", "webhook")
SETTINGS = {
    "name": "tracked",
    "families": "{text: {mixture: miniature_qa, steps: 300, learning_rate: {log: [5e-4, 2e-3]}}}",
    "search": "{target.learning_rate: {log: [1.5e-3, 4e-3]}}",
    "trial.target": "{mixture: miniature_nli, steps: 300, max_length: 64}",
    "trial.intermediate": "{num_dev_items: 60, max_length: 64}",
    "trial.evaluation": "{task: miniature_nli, num_items: 60, languages: [de, en], max_length: 64}",
    "sampler": "{name: random}",
    "rungs": "{num: 1}",
    "pruner": "{}",
    "order": "fixed",
    "concurrency": "1",
}
TRACKER = "search.tracking.tracking_process"
SECONDS_BETWEEN_LOOKS = 0.2
PROJECTED_MINUTES = (1, 10, 60, 600)
MAX_SHARE = 0.01


@dataclass(slots=True, kw_only=True)
class Meter:
    """CPU seconds of the processes of one XSTILTS_HOME."""

    home: Path
    sweep: dict[psutil.Process, float] = field(default_factory=dict[psutil.Process, float])
    tracker: dict[psutil.Process, float] = field(default_factory=dict[psutil.Process, float])
    first_batch: tuple[float, float] | None = None
    """Time and the tracking process's CPU seconds when the sink had its first batch."""
    last_look: float = 0.0
    """Time of the last look at the tracking process."""
    _others: set[psutil.Process] = field(default_factory=set[psutil.Process])

    def look(self) -> None:
        """Read the CPU time of every process."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process not in self._others and (group := self._group(process)) is not None:
                    times = process.cpu_times()
                    group[process] = times.user + times.system
        if self.tracker and self.first_batch is None and any(self.home.glob("tracking/*/*/position.json")):
            self.first_batch = (time.perf_counter(), sum(self.tracker.values()))

    def _group(self, process: psutil.Process) -> dict[psutil.Process, float] | None:
        if process in self.sweep:
            return self.sweep
        if process in self.tracker:
            self.last_look = time.perf_counter()
            return self.tracker
        if process.environ().get("XSTILTS_HOME") != str(self.home):
            self._others.add(process)
            return None
        return self.tracker if TRACKER in process.cmdline() else self.sweep


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sink", choices=SINKS, default="tensorboard")
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--save", type=Path)
    chosen = parser.parse_args()
    lines = [*heading(["torch", "ray", "tensorboardX"]), ""]
    with tempfile.TemporaryDirectory() as folder, webhook() as url:
        track = {"tensorboard": "runs"} if chosen.sink == "tensorboard" else {"webhook": url}
        plain, _ = run(Path(folder, "without"), trials=chosen.trials, track=None)
        tracked, minutes = run(Path(folder, "with"), trials=chosen.trials, track=track)
    lines += figures(plain, tracked, minutes=minutes, sink=chosen.sink)
    text = "\n".join(lines)
    print(text)
    if chosen.save:
        save(chosen.save, title="What reporting a sweep to a sink costs", text=text)


def run(home: Path, *, trials: int, track: dict[str, str] | None) -> tuple[Meter, float]:
    """Run the sweep, and return its meter and the minutes that it took."""
    home.mkdir()
    settings = [f"{name}={value}" for name, value in SETTINGS.items()]
    settings += [f"track=[{{{kind}: '{target}'}}]" for kind, target in (track or {}).items()]
    words = [word for setting in settings for word in ("--set", setting)]
    command = [str(Path(sys.executable).with_name("xstilts")), "search", "demo", "--trials", str(trials), *words]
    meter, began = Meter(home=home), time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, "XSTILTS_HOME": str(home), "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    errors: list[bytes] = []
    reading = threading.Thread(target=lambda: errors.append(process.stderr.read() if process.stderr else b""))
    reading.start()
    while process.poll() is None:
        meter.look()
        time.sleep(SECONDS_BETWEEN_LOOKS)
    reading.join()
    if process.returncode != 0:
        sys.exit(errors[0].decode())
    return meter, (time.perf_counter() - began) / 60


def figures(plain: Meter, tracked: Meter, *, minutes: float, sink: str) -> list[str]:
    """Return the figures of both runs, and the share of the tracking process in longer sweeps."""
    if tracked.first_batch is None:
        give_up("the sink got nothing, so there is nothing to measure; give the sweep more --trials")
    before, after = (sum(meter.sweep.values()) for meter in (plain, tracked))
    total = sum(tracked.tracker.values())
    first_at, start_up = tracked.first_batch
    rate = (total - start_up) / max((tracked.last_look - first_at) / 60, 1e-9)
    each_minute = after / minutes
    shares = {length: (start_up + rate * length) / (each_minute * length) for length in PROJECTED_MINUTES}
    spare = MAX_SHARE * each_minute - rate
    enough = f"from {start_up / spare:.1f} minutes on" if spare > 0 else "never"
    projected = (
        f"share in {length:4d} minutes  {share:7.2%} of the sweep's CPU time (projected)"
        for length, share in shares.items()
    )
    return [
        f"sweep without a sink   {before:7.1f} CPU s",
        f"sweep with {sink:11} {after:7.1f} CPU s in {minutes:.1f} minutes: {each_minute:.0f} CPU s a minute",
        f"tracking process       {total:7.2f} CPU s: {start_up:.2f} s to the first batch, then {rate:.3f} s a minute",
        *projected,
        f"below {MAX_SHARE:.0%}               {enough}",
    ]


@contextlib.contextmanager
def webhook() -> Generator[str]:
    """A web service on loopback that takes every message; yields its URL."""

    class Taking(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(http.HTTPStatus.NO_CONTENT)
            self.end_headers()

        def log_message(self, format: str, *values: object) -> None:  # noqa: A002  the name in the class above
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


if __name__ == "__main__":
    main()
