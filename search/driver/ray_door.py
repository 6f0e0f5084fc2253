"""The door through which Ray is started or joined: what goes wrong there is one line, told within a minute.

Starting Ray here ends by itself, well or not. Joining a cluster may wait without end, or end the process in C++; so a
process of its own tries it first, and is ended when it takes too long.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any  # Any: Ray is untyped

from search.errors import RayUnusableError
from search.progress import writing_lines
from search.ray_surroundings import (
    SHARED_MEMORY,
    check_ray_surroundings,
    given_address,
    temporary_folder,
    unusable_address,
)

SECONDS_TO_JOIN = 45.0
"""How long joining a cluster may take."""

SECONDS_BELIEVED = 60.0
"""How long the answer of a cluster that was joined is believed: a command that runs several sweeps asks once."""

SECONDS_OF_SILENCE = 3.0
"""How long joining may take without a word."""

_LONGEST = 400
"""Characters of what Ray said that are shown."""

_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Set within a submitted job. The process that tries is no part of it."""

_REMEDIES = {
    "Version mismatch": "install the cluster's versions here, or these there (constraints.txt)",
    "could not find any running Ray": "start a cluster on this host (`ray start --head`)",
    "token": "put the token of its head into ~/.ray/auth_token, or have one made: `ray get-auth-token --generate`",
    "ConnectionError": "another program may listen at this port: a head's is 6379 unless it was told another",
    str(SHARED_MEMORY): "make it larger (docker: --shm-size), or set RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE=1",
}
"""What Ray says -> what to do."""

_joined: dict[str, float] = {}


def check_ray() -> None:
    """Check that Ray can be started on this machine, or the cluster that RAY_ADDRESS names be joined.

    Raises:
        RayUnusableError: It cannot; says which variable to change, and how.
    """
    given = given_address(os.environ)
    with writing_lines(lambda: f"Waiting for the Ray cluster at {given}.", seconds=SECONDS_OF_SILENCE):
        check_ray_surroundings(os.environ)
        if given is None or time.monotonic() - _joined.get(given, float("-inf")) < SECONDS_BELIEVED:
            return
        problem = _try_to_join()
    if problem is not None:
        raise unusable_address(given, problem)
    _joined[given] = time.monotonic()


def start_ray() -> bool:
    """Start Ray on this machine's loopback, or join the cluster that RAY_ADDRESS names; returns whether it is ours.

    Raises:
        RayUnusableError: It cannot be done.
    """
    import ray

    check_ray()
    given = given_address(os.environ)
    # Without "local" Ray would join whatever cluster was started on this machine last.
    here: dict[str, Any] = {
        "address": "local",
        "_node_ip_address": "127.0.0.1",
        "_temp_dir": temporary_folder(os.environ),
    }
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **({} if given else here))
    except Exception as error:  # what is raised here is Exception itself, or any of a dozen classes
        problem = said_by_ray(f"{type(error).__name__}: {error}")
        raise (unusable_address(given, problem) if given else _not_started(problem)) from error
    return given is None


def said_by_ray(text: str) -> str:
    """Return in one line what Ray said, and what to do about it where that is known."""
    said = " ".join(text.split())
    said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}..."
    remedy = next((remedy for words, remedy in _REMEDIES.items() if words.lower() in text.lower()), None)
    return f"{said.rstrip('.')} ({remedy})" if remedy else said.rstrip(".")


def _not_started(problem: str) -> RayUnusableError:
    folder = Path(temporary_folder(os.environ) or _session_parent())
    msg = (
        f"Ray does not start on this machine: {problem}; its logs are in {folder}/session_latest/logs. Ray needs a "
        "folder that it can write (RAY_TMPDIR), shared memory (/dev/shm), free ports on 127.0.0.1 and room for its "
        "processes (ulimit -u)"
    )
    return RayUnusableError("RAY_TMPDIR", str(folder), msg)


def _session_parent() -> str:
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108  (as Ray itself)
    return f"{folder}/ray"


def _try_to_join() -> str | None:
    """Join the cluster in a process of its own; returns what went wrong, or None."""
    variables = {name: value for name, value in os.environ.items() if name != _JOB} | {"RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-m", "search.driver.ray_door"]
    try:
        ended = subprocess.run(  # noqa: S603  (our own module)
            command, env=variables, capture_output=True, text=True, timeout=SECONDS_TO_JOIN, check=False
        )
    except subprocess.TimeoutExpired:
        return f"something answers at its port, and no cluster of Ray in {SECONDS_TO_JOIN:g} s"
    try:
        return json.loads(ended.stdout.splitlines()[-1])["problem"]
    except (ValueError, IndexError, KeyError, TypeError):
        lines = [line for line in ended.stderr.splitlines() if line.strip()] or ["no word"]
        return said_by_ray(f"Ray ended with {lines[-1]}")


def _main() -> None:
    """Join and leave the cluster that RAY_ADDRESS names; print what went wrong, if anything, as JSON."""
    problem: str | None = None
    try:
        import ray

        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        ray.shutdown()
    except Exception as error:  # noqa: BLE001  (whatever it is, it is what there is to say)
        problem = said_by_ray(f"{type(error).__name__}: {error}")
    print(json.dumps({"problem": problem}), flush=True)  # noqa: T201  (to the process that waits)
    os._exit(0)  # Ray's own ends may wait for a cluster that is gone


if __name__ == "__main__":
    _main()
