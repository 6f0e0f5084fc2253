"""Describes the machine that a benchmark runs on, checks what the benchmark needs, and saves its result."""

from __future__ import annotations

import datetime as dt
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NoReturn

EXIT_USER_ERROR = 2

_PROJECT = Path(__file__).resolve().parents[1]


def require_mirror() -> Path:
    """Return the mirror's folder, or exit with code 2."""
    value = os.environ.get("XSTILTS_MIRROR", "")
    if not value or not Path(value).is_dir():
        give_up(
            f"this benchmark needs real data: XSTILTS_MIRROR is {value!r}, and it must name a folder with "
            "datasets/nyu-mll/glue and the encoder's models/OWNER/NAME; set it and run again"
        )
    return Path(value)


def require_encoder(name: str) -> Path:
    """Return the folder of an encoder of the mirror, or exit with code 2."""
    folder = require_mirror() / "models" / name
    if not folder.is_dir():
        give_up(f"this benchmark needs the encoder {name}, and {folder} is no folder; add it to the mirror")
    return folder


def require_package(name: str, *, extra: str) -> None:
    """Exit with code 2 when a package is missing."""
    try:
        version(name)
    except PackageNotFoundError:
        give_up(f"this benchmark needs the package {name}; install it: pip install -e '.[{extra}]'")


def give_up(message: str) -> NoReturn:
    """Print what is wrong, and exit with code 2."""
    print(message, file=sys.stderr)
    sys.exit(EXIT_USER_ERROR)


def hardware() -> str:
    """Return the processor's name and the cores that this process may use."""
    names = [line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    return f"{len(os.sched_getaffinity(0))} cores of {names[0] if names else platform.processor()}"


def heading(packages: Sequence[str]) -> list[str]:
    """Return hardware, load, versions and date, one line each."""
    load = os.getloadavg()[0]
    busy = "" if load < 0.5 else "  (BUSY: figures are not comparable)"  # noqa: PLR2004
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return [
        f"hardware  {hardware()}, {platform.system()} {platform.release()}",
        f"load      {load:.1f} before the run{busy}",
        f"versions  python {platform.python_version()}, {versions}",
        f"date      {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
        f"command   {shlex.join(['python', *_program(), *sys.argv[1:]])}",
    ]


def _program() -> list[str]:
    """Return what follows `python` in the command, without a path of this machine."""
    module = sys.modules["__main__"].__spec__
    if module:
        return ["-m", module.name]
    program = Path(sys.argv[0])
    return [str(program.relative_to(_PROJECT) if program.is_relative_to(_PROJECT) else program)]


def save(path: Path, *, title: str, text: str) -> None:
    """Write a result as a Markdown file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# {title}\n\n```\n{text}\n```\n")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []
