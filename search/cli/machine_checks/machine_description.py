"""What the machine is, and the versions of the packages that a search uses."""

from __future__ import annotations

import os
import platform
import sys

from search.cli.machine_checks.findings import Finding, versions_of

VERSIONS = ("xstilts", "torch", "deepspeed", "ray", "optuna", "transformers", "datasets")
"""Packages whose versions doctor tells."""


def describe_machine() -> list[Finding]:
    """Return what the machine is, and the versions that are installed."""
    return [
        Finding(what="machine", works=True, said=_machine()),
        Finding(what="versions", works=True, said=versions_of(VERSIONS)),
    ]


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {memory:.1f} GiB, {platform.system()} {platform.machine()}, Python {sys.version.split()[0]}"
