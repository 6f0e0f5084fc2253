"""Checks of a machine. Vendors are imported in a child process: a broken one may hang or crash."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable

from search.cli.findings import Finding, in_child, versions_of
from search.errors import RecordMissingError
from search.home import Home
from trainables.errors import InputError

VERSIONS = ("xstilts", "torch", "deepspeed", "ray", "optuna", "transformers", "datasets")
"""Packages whose versions doctor tells."""


def check_machine(home: Home) -> list[Finding]:
    """Return what was found, in the order in which a search needs it."""
    return [
        *describe_machine(),
        check_torch(),
        _check_import("deepspeed"),
        _check_import("ray"),
        _check("cluster", _cluster),
        _check("data", _data),
        _check("store", lambda: _store(home.store)),
        _check("record", lambda: _record(home.record)),
        _check("quarantine", lambda: places_in_words(home.record)),
        _check("leftovers", lambda: _leftovers(home)),
    ]


def describe_machine() -> list[Finding]:
    """Return what the machine is, and the versions that are installed."""
    return [
        Finding(what="machine", works=True, said=_machine()),
        Finding(what="versions", works=True, said=versions_of(VERSIONS)),
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


def check_torch() -> Finding:
    """Return which devices torch can use; GPUs that it cannot use are told as what does not work."""
    from search.cli.device_checks import devices_in_words, find_facts_in_child

    facts = find_facts_in_child()
    if isinstance(facts, str):
        return Finding(what="devices", works=False, said=f"torch cannot be imported: {facts}; reinstall it")
    return devices_in_words(facts)


def _check_import(name: str) -> Finding:
    ended = in_child(f"import {name}")
    if isinstance(ended, str):
        return Finding(what=name, works=False, said=f"cannot be imported: {ended}; reinstall it (constraints.txt)")
    return Finding(what=name, works=True, said="imports")


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


def places_in_words(place: str) -> str:
    """Return which hosts and GPUs failed too often under the sweeps of the record."""
    from search.query import sweep_statuses
    from search.record import open_record

    try:
        with open_record(place, read_only=True) as record:
            found = [f"{apart} in sweep {one.sweep}" for one in sweep_statuses(record) for apart in one.set_apart]
    except RecordMissingError:
        found = []
    return "; ".join(found) or "no host and no GPU"
