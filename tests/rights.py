"""Runs commands where file modes count: root, who may read and write everything, is denied that in the child."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
_ANOTHER = 65534
"""A user that is not this one: `nobody` on Linux."""

_CHILD = """
import contextlib, io, json, sys
from search.cli.main import exit_code
ended = []
for command in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = exit_code(command)
    ended.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(ended))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    command: list[str]
    code: int
    out: str
    err: str


def run_by_rights(commands: list[list[str]], *, folder: Path, home: Path) -> list[Ended]:
    """Return how commands end that run, one after another in one process, with no more rights than files give.

    Args:
        commands: Words after `xstilts`.
        folder: Where to be.
        home: Their XSTILTS_HOME.
    """
    ended = subprocess.run(
        [sys.executable, "-c", _CHILD, json.dumps(commands)],
        cwd=folder,
        env=os.environ | {"XSTILTS_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_drop_rights if os.geteuid() == 0 else None,
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    return [
        Ended(command=command, code=code, out=out, err=err)
        for command, (code, out, err) in zip(commands, told, strict=True)
    ]


def _drop_rights() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
            os._exit(99)


def close(folder: Path) -> None:
    """Make a folder one that this user may not look into."""
    if os.geteuid() == 0:
        shutil.chown(folder, _ANOTHER, _ANOTHER)
        folder.chmod(0o700)
    else:
        folder.chmod(0o000)


def freeze(folder: Path) -> None:
    """Take the right to write from a folder and all that it holds."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
