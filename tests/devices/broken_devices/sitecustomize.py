"""Loaded by every Python process of a test: breaks probes of ranks in a named way, or hides Ray.

XSTILTS_BROKEN is `PROBE=HOW` or `PROBE@RANK=HOW`. Only the processes of probes import what is broken.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib.abc import MetaPathFinder


def _hide_ray() -> None:
    sound = importlib.util.find_spec
    importlib.util.find_spec = lambda name, package=None: None if name == "ray" else sound(name, package)
    sys.meta_path.insert(0, _NoRay())


class _NoRay(MetaPathFinder):
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        del path, target
        if name.partition(".")[0] == "ray":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _raise(text: str) -> None:
    raise RuntimeError(text)


_WAYS: dict[str, Callable[[], object]] = {
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "hang": lambda: time.sleep(10_000),
    "ecc": lambda: _raise("CUDA error: uncorrectable ECC error encountered\nCUDA kernel errors might be reported"),
    "memory": lambda: _raise("CUDA out of memory. Tried to allocate 1024.00 MiB."),
}


def _break(probe: str, *, rank: int | None, how: str) -> None:
    from trainables.probes import work

    sound = work.WORK[probe]

    def broken(who: object) -> object:
        if rank is None or who.number == rank:
            _WAYS[how]()
        return sound(who)

    work.WORK[probe] = broken


if os.environ.get("XSTILTS_WITHOUT_RAY"):
    _hide_ray()
if (_asked := os.environ.get("XSTILTS_BROKEN")) and "trainables.probes.rank_process" in sys.orig_argv:
    _where, _, _how = _asked.partition("=")
    _probe, _, _rank = _where.partition("@")
    _break(_probe, rank=int(_rank) if _rank else None, how=_how)
