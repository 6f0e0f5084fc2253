"""Checks of a machine. Libraries are imported in a child process, because a broken one may hang or crash."""

from __future__ import annotations

import os
from collections.abc import Callable

from search.cli.machine_checks.device_checks import find_facts_in_child
from search.cli.machine_checks.findings import Finding, in_child
from search.cli.machine_checks.machine_description import describe_machine
from search.errors import RecordMissingError
from search.home import Home
from trainables.errors import InputError
from trainables.number_words import number_of


def check_machine(home: Home) -> list[Finding]:
    """Return the results of all checks, in the order in which a search needs what they check."""
    return [
        *describe_machine(),
        check_torch(),
        _check_import("deepspeed"),
        _check_import("ray"),
        _check("open files", _open_files),
        _check("cluster", _cluster),
        _check("data", _data),
        _check("store", lambda: _store(home.store)),
        _check("record", lambda: _record(home.record)),
        _check("quarantine", lambda: describe_quarantine(home.record)),
        _check("leftovers", lambda: _leftovers(home)),
    ]


def clear_leftovers(home: Home) -> list[str]:
    """Clear the leftovers of earlier runs; return a description of each."""
    from search.leftovers import find_leftovers

    found = find_leftovers(home)
    descriptions = [leftover.description for leftover in found]
    for leftover in found:
        leftover.clear()
    return descriptions


def _leftovers(home: Home) -> str:
    from search.leftovers import find_leftovers

    found = find_leftovers(home)
    if not found:
        return "none"
    return f"{'; '.join(leftover.description for leftover in found)}; clear them with `xstilts doctor --clear`"


def check_torch() -> Finding:
    """Return which devices torch can use; a GPU that torch cannot use is a failed check."""
    from search.cli.machine_checks.device_checks import describe_devices

    facts = find_facts_in_child()
    if isinstance(facts, str):
        return Finding(what="devices", works=False, said=f"torch cannot be imported: {facts}; reinstall it")
    return describe_devices(facts)


def _check_import(name: str) -> Finding:
    ended = in_child(f"import {name}")
    if isinstance(ended, str):
        return Finding(what=name, works=False, said=f"cannot be imported: {ended}; reinstall it (constraints.txt)")
    return Finding(what=name, works=True, said="can be imported")


def _check(what: str, describe: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, works=True, said=describe())
    except InputError as error:
        return Finding(what=what, works=False, said=str(error))


def _open_files() -> str:
    from trainables.checks.open_files import raise_open_files, with_ray

    return f"a sweep may have {raise_open_files(needed=with_ray(1))} files open"


def _cluster() -> str:
    from search.driver.ray_door import check_ray
    from search.ray_environment import given_address

    check_ray()
    given = given_address(os.environ)
    return f"{given} can be joined (RAY_ADDRESS)" if given else "Ray can start on this machine"


def _data() -> str:
    from trainables.data.shared_cache import shared_cache
    from trainables.data.sources.locator import hub_is_reachable, mirror_folder

    mirror, cache = mirror_folder(), shared_cache()
    hub = "hub reachable" if hub_is_reachable() else "hub not reachable (the miniature tasks need no data)"
    encoded = f"; encoded data in {cache} (XSTILTS_CACHE)" if cache else ""
    return (f"mirror {mirror}; {hub}" if mirror else f"no mirror (XSTILTS_MIRROR); {hub}") + encoded


def _store(place: str) -> str:
    from trainables.stage_store import check_store

    check_store(place)
    return f"can be written at {place}"


def _record(place: str) -> str:
    from search.record import open_record

    try:
        with open_record(place, read_only=True) as record:
            num_events = record.check()
            checked = f", all {number_of(num_events, 'event')} checked" if num_events is not None else ""
            return f"{place}, {number_of(len(record.sweeps()), 'sweep')}{checked}"
    except RecordMissingError:
        return f"none yet at {place}; the first search creates it"


def describe_quarantine(place: str) -> str:
    """Return which hosts and GPUs are quarantined in the sweeps of the record at a place."""
    from search.query import sweep_statuses
    from search.record import open_record

    try:
        with open_record(place, read_only=True) as record:
            found = [f"{one} in sweep {status.sweep}" for status in sweep_statuses(record) for one in status.set_apart]
    except RecordMissingError:
        found = []
    return "; ".join(found) or "no host and no GPU"
