"""Starts Ray on this machine or joins a cluster. An error is reported in one line within a minute.

Starting Ray on this machine always returns or raises. Joining a cluster can wait without end, or end the process inside
C++ code. So a separate process tries to join first, and is ended if it takes too long.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any  # Any: Ray is untyped

import psutil

from search.errors import RayUnusableError
from search.live_view import writing_lines
from search.ray_environment import (
    SHARED_MEMORY,
    check_ray_environment,
    given_address,
    temporary_folder,
    unusable_address,
)

SECONDS_TO_JOIN = 45.0
"""Time limit for joining a cluster."""

SECONDS_BELIEVED = 60.0
"""How long a successful check of a cluster stays valid: a command that runs several sweeps checks once."""

SECONDS_TO_END = 0.5
"""How long the processes that Ray's daemons started may take to end after them, before they are killed."""

SECONDS_OF_SILENCE = 3.0
"""Time after which a message says that the command waits for the cluster."""

_LONGEST = 400
"""Largest number of characters of Ray's message that are shown."""

_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Set inside a submitted job. The process that tries to join is not part of the job."""

_REMEDIES = {
    "Version mismatch": "install the cluster's versions here, or these there (constraints.txt)",
    "could not find any running Ray": "start a cluster on this host (`ray start --head`)",
    "token": "put the token of its head into ~/.ray/auth_token, or have one made: `ray get-auth-token --generate`",
    "ConnectionError": "another program may listen at this port; the default port of a head is 6379",
    str(SHARED_MEMORY): "make it larger (docker: --shm-size), or set RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE=1",
}
"""Words in Ray's message -> what to do."""

_joined: dict[str, float] = {}


def check_ray() -> None:
    """Check that Ray can be started on this machine, or that the cluster in RAY_ADDRESS can be joined.

    Raises:
        RayUnusableError: It cannot; the message says which variable to change, and how.
    """
    given = given_address(os.environ)
    with writing_lines(lambda: f"Waiting for the Ray cluster at {given}.", seconds=SECONDS_OF_SILENCE):
        check_ray_environment(os.environ)
        if given is None or time.monotonic() - _joined.get(given, float("-inf")) < SECONDS_BELIEVED:
            return
        problem = _try_to_join()
    if problem is not None:
        raise unusable_address(given, problem)
    _joined[given] = time.monotonic()


def start_ray() -> bool:
    """Start Ray on this machine's loopback interface, or join the cluster in RAY_ADDRESS.

    Returns:
        Whether Ray was started here.

    Raises:
        RayUnusableError: Ray cannot be started, or the cluster cannot be joined.
    """
    import ray

    check_ray()
    given = given_address(os.environ)
    # Without "local" Ray would join the cluster that was started last on this machine.
    here: dict[str, Any] = {
        "address": "local",
        "_node_ip_address": "127.0.0.1",
        "_temp_dir": temporary_folder(os.environ),
        # Ranks and trial actors have environments of their own: workers that were started ahead would not be used.
        "_system_config": {"prestart_worker_first_driver": False},
    }
    try:
        with _of_our_own() if given is None else contextlib.nullcontext():
            ray.init(
                include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **({} if given else here)
            )
    except Exception as error:  # what is raised here is Exception itself, or any of a dozen classes
        problem = summarise_ray_message(f"{type(error).__name__}: {error}")
        raise (unusable_address(given, problem) if given else _not_started(problem)) from error
    return given is None


@contextlib.contextmanager
def _of_our_own() -> Generator[None]:
    """Start a Ray that only this machine reaches, that only its driver ends, and of the processes that this needs."""
    with _on_loopback(), _deaf_to_sigterm(), _of_few_processes():
        yield


@contextlib.contextmanager
def _on_loopback() -> Generator[None]:
    """Let every port of a local Ray listen on the loopback interface.

    `ray.init` replaces `_node_ip_address="127.0.0.1"` by the host's own address, so that other hosts could join, and
    then its servers listen on all interfaces (Ray 2.60, `services.resolve_ip_for_localhost`). They stay on the loopback
    where clusters are disabled, which is what this variable is for on Windows and macOS.
    """
    from ray._private import ray_constants

    name = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    before, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    given, os.environ[name] = os.environ.get(name), "0"  # for the processes that Ray starts
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        if given is None:
            del os.environ[name]
        else:
            os.environ[name] = given


@contextlib.contextmanager
def _of_few_processes() -> Generator[None]:
    """Leave out the processes of Ray that a single driver on one machine does not need.

    `ray start` has options for two of them, the autoscaler's monitor (`--no-monitor`) and the log monitor
    (`--include-log-monitor`), which `ray.init` does not pass on. Without a dashboard the API server serves nothing but
    usage statistics, which are off, and `ray.init` waits until it listens.
    """
    from ray._private import parameter
    from ray._private.node import Node

    parameters, start_api_server = parameter.RayParams, Node.start_api_server
    fewer: Any = {"no_monitor": True, "include_log_monitor": False}  # Ray's annotation of the second is wrong
    parameter.RayParams = partial(parameters, **fewer)
    Node.start_api_server = _start_no_api_server
    try:
        yield
    finally:
        parameter.RayParams, Node.start_api_server = parameters, start_api_server


def _start_no_api_server(*_: Any, **__: Any) -> None:
    """Do nothing, in the place of `Node.start_api_server`."""


@contextlib.contextmanager
def _deaf_to_sigterm() -> Generator[None]:
    """Let the processes that Ray starts ignore SIGTERM, as Ray lets them ignore SIGINT.

    systemd, Slurm's scancel and containers send SIGTERM to every process of a group. Ray's daemons would end at once,
    and the trials could not leave checkpoints. A blocked signal stays blocked in the children of a process. The driver
    ends the daemons itself (`stop_ray`).
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stop_ray() -> None:
    """Leave Ray; the daemons that were started here are killed, with all processes that they started."""
    import ray
    from ray._private import worker  # nothing public names the processes

    node: Any = vars(worker)["_global_node"]
    started = [info.process for infos in (node.all_processes.values() if node else ()) for info in infos]
    children = [child for process in started for child in _descendants(process.pid)]
    for process in started:
        process.terminate = process.kill  # they ignore SIGTERM, and Ray would wait a second for each
    ray.shutdown()
    for child in psutil.wait_procs(children, timeout=SECONDS_TO_END)[1]:
        with contextlib.suppress(psutil.Error):
            child.kill()


def _descendants(number: int) -> list[psutil.Process]:
    try:
        return psutil.Process(number).children(recursive=True)
    except psutil.Error:
        return []


def summarise_ray_message(text: str) -> str:
    """Return Ray's message in one line, with the remedy if it is known."""
    message = " ".join(text.split())
    message = message if len(message) <= _LONGEST else f"{message[:_LONGEST]}..."
    remedy = next((remedy for words, remedy in _REMEDIES.items() if words.lower() in text.lower()), None)
    return f"{message.rstrip('.')} ({remedy})" if remedy else message.rstrip(".")


def _not_started(problem: str) -> RayUnusableError:
    folder = Path(temporary_folder(os.environ) or _session_parent())
    msg = (
        f"Ray does not start on this machine: {problem}; its logs are in {folder}/session_latest/logs. Ray needs a "
        "writable folder (RAY_TMPDIR), shared memory (/dev/shm), free ports on 127.0.0.1, and a limit of processes "
        "that is high enough (ulimit -u)"
    )
    return RayUnusableError("RAY_TMPDIR", str(folder), msg)


def _session_parent() -> str:
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108  (as Ray itself)
    return f"{folder}/ray"


def _try_to_join() -> str | None:
    """Try to join the cluster in a separate process; return the problem, or None if it could join."""
    variables = {name: value for name, value in os.environ.items() if name != _JOB} | {"RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-m", "search.driver.ray_door"]
    try:
        ended = subprocess.run(  # noqa: S603  (our own module)
            command, env=variables, capture_output=True, text=True, timeout=SECONDS_TO_JOIN, check=False
        )
    except subprocess.TimeoutExpired:
        return f"something answers at its port, but no Ray cluster did within {SECONDS_TO_JOIN:g} s"
    try:
        return json.loads(ended.stdout.splitlines()[-1])["problem"]
    except (ValueError, IndexError, KeyError, TypeError):
        lines = [line for line in ended.stderr.splitlines() if line.strip()] or ["no message"]
        return summarise_ray_message(f"Ray ended with: {lines[-1]}")


def _main() -> None:
    """Join and leave the cluster in RAY_ADDRESS; print the problem, or null, as JSON."""
    problem: str | None = None
    try:
        import ray

        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        ray.shutdown()
    except Exception as error:  # noqa: BLE001  (every error is reported)
        problem = summarise_ray_message(f"{type(error).__name__}: {error}")
    print(json.dumps({"problem": problem}), flush=True)  # noqa: T201  (to the process that waits)
    os._exit(0)  # Ray's own shutdown may wait for a cluster that is gone


if __name__ == "__main__":
    _main()
