"""Checks of a machine. Vendors are imported in a child process: a broken one may hang or crash."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata

from search.errors import RecordMissingError
from search.home import Home
from trainables.config.frozen import FrozenModel
from trainables.errors import InputError

_IMPORT_SECONDS = 120
_VERSIONS = ("xstilts", "torch", "deepspeed", "ray", "optuna", "transformers", "datasets")
_TORCH = (
    "import json, torch; names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())];"
    "print(json.dumps({'devices': names, 'threads': torch.get_num_threads()}))"
)


class Finding(FrozenModel):
    """One thing that was checked."""

    what: str
    """Name of the check."""
    works: bool
    """Whether a search can go on with it."""
    said: str
    """What was found, and the next step where it does not work."""


def check_machine(home: Home) -> list[Finding]:
    """Return what was found, in the order in which a search needs it."""
    return [
        Finding(what="machine", works=True, said=_machine()),
        Finding(what="versions", works=True, said=_versions()),
        _check_torch(),
        _check_import("deepspeed"),
        _check_import("ray"),
        _check("cluster", _cluster),
        _check("data", _data),
        _check("store", lambda: _store(home.store)),
        _check("record", lambda: _record(home.record)),
        Finding(what="leftovers", works=True, said=_leftovers(home)),
    ]


def clear_leftovers(home: Home) -> list[str]:
    """Clear what earlier runs left; returns what it was."""
    from search.leftovers import find_leftovers

    found = find_leftovers(home)
    said = [leftover.said for leftover in found]
    for leftover in found:
        leftover.clear()
    return said


def _leftovers(home: Home) -> str:
    from search.leftovers import find_leftovers

    found = find_leftovers(home)
    if not found:
        return "none of earlier runs"
    return f"{'; '.join(leftover.said for leftover in found)}; clear them with `xstilts doctor --clear`"


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {memory:.1f} GiB, {platform.system()} {platform.machine()}, Python {sys.version.split()[0]}"


def _versions() -> str:
    return ", ".join(f"{name} {metadata.version(name)}" for name in _VERSIONS)


def _check_torch() -> Finding:
    ended = _in_child(_TORCH)
    if isinstance(ended, str):
        return Finding(what="devices", works=False, said=f"torch cannot be imported: {ended}; reinstall it")
    found = json.loads(ended.stdout.splitlines()[-1])
    devices = ", ".join(found["devices"]) or "no CUDA device; training runs on the CPU"
    return Finding(what="devices", works=True, said=f"{devices}; torch uses {found['threads']} threads")


def _check_import(name: str) -> Finding:
    ended = _in_child(f"import {name}")
    if isinstance(ended, str):
        return Finding(what=name, works=False, said=f"cannot be imported: {ended}; reinstall it (constraints.txt)")
    return Finding(what=name, works=True, said="imports")


def _in_child(code: str) -> subprocess.CompletedProcess[str] | str:
    """Return the ended child, or in one line why it failed."""
    command = [sys.executable, "-c", code]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_IMPORT_SECONDS, check=False)  # noqa: S603  our own code
    except subprocess.TimeoutExpired:
        return f"no answer in {_IMPORT_SECONDS} s"
    if ended.returncode:
        return (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
    return ended


def _check(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, works=True, said=look())
    except InputError as error:
        return Finding(what=what, works=False, said=str(error))


def _cluster() -> str:
    from search.driver.ray_door import check_ray
    from search.ray_surroundings import given_address

    check_ray()
    given = given_address(os.environ)
    return f"{given} can be joined (RAY_ADDRESS)" if given else "Ray can start on this machine alone"


def _data() -> str:
    from trainables.data.locate import hub_is_reachable, mirror_folder

    mirror = mirror_folder()
    hub = "hub reachable" if hub_is_reachable() else "hub not reachable (the miniature world needs neither)"
    return f"mirror {mirror}; {hub}" if mirror else f"no mirror (XSTILTS_MIRROR); {hub}"


def _store(place: str) -> str:
    from trainables.stage_store import check_store

    check_store(place)
    return f"can be written at {place}"


def _record(place: str) -> str:
    from search.record import open_record

    try:
        with open_record(place, read_only=True) as record:
            num_events = record.check()
            checked = f", all {num_events} events and what follows from them checked" if num_events is not None else ""
            return f"{place}, {len(record.sweeps())} sweeps{checked}"
    except RecordMissingError:
        return f"none yet at {place}; the first search makes it"
