"""Loaded by every rank of a run under test: jobs fail as a library would have them fail, with its own words.

The ranks' code knows nothing of this. A file, named by XSTILTS_PLANTED, says what is raised: type, text, the least
tokens of a pass that fails, and how often; processes claim a time by making a file, which only one of them can.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import json
import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_PLANTED = os.environ.get("XSTILTS_PLANTED", "")
_MODULE = "trainables.ranks.job_runner"


class _Loader(importlib.abc.Loader):
    """Loads the module, then wraps what does a job."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        run_job = module.run_job  # type: ignore[attr-defined]

        def failing(job: Any, *, rank: Any) -> Any:
            _fail_if_planted(job)
            return run_job(job, rank=rank)

        module.run_job = failing  # type: ignore[attr-defined]


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        if name != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


def _fail_if_planted(job: Any) -> None:
    try:
        planted = json.loads(Path(_PLANTED).read_text())
    except OSError:
        return
    tokens = (job.engine if hasattr(job, "engine") else job.work).pass_tokens
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "")  # which Ray sets to the one that it has given
    if tokens < planted["least_tokens"] or gpu != planted.get("gpu", gpu):
        return
    for time in range(planted["times"]):
        try:
            os.close(os.open(f"{_PLANTED}.{time}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        raise _type_of(planted["type"])(planted["text"])


def _type_of(name: str) -> type[Exception]:
    import torch

    known = {"OutOfMemoryError": torch.OutOfMemoryError, "AcceleratorError": torch.AcceleratorError}
    return known.get(name, RuntimeError)


if _PLANTED:
    sys.meta_path.insert(0, _Finder())
