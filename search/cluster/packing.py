"""What a sweep's submission sends: its spec and the files that this names, and nothing else."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from search.errors import InputError
from spaces.deepspeed_file import deepspeed_file
from spaces.sweep_spec import shipped_specs
from trainables.config.yaml_file import read_yaml

HEAD_HOME = "~/xstilts-home"
"""XSTILTS_HOME on the head: the record, where it is SQLite, and scratch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A sweep to be run on a cluster."""

    spec: str
    """Shipped name, or path, of the spec."""
    name: str
    """Name of the sweep."""
    store: str | None = None
    """Folder that all hosts share, or URL of a bucket."""
    record: str | None = None
    """Record, when it is not on the head's disk; never with a password."""
    trials: int | None = None
    """Trials that the sweep shall have."""
    take_over: bool = False
    """Whether to take the sweep from a driver that gives no sign of life: of a head that is gone."""
    settings: tuple[str, ...] = ()
    """What `--set` was given."""

    def entrypoint(self, spec: str) -> str:
        """Return the command that the head runs.

        Args:
            spec: The spec's name where the command runs.
        """
        words = ["xstilts", "search", spec, "--name", self.name]
        words += ["--store", self.store] if self.store else []
        words += ["--record", self.record] if self.record else []
        words += ["--trials", str(self.trials)] if self.trials else []
        words += ["--take-over"] if self.take_over else []
        for setting in self.settings:
            words += ["--set", setting]
        return shlex.join(words)


def pack(submission: Submission, *, folder: Path) -> str:
    """Copy what is to be sent into an empty folder; returns the spec's name in it, or of the shipped spec.

    Raises:
        InputError: The record's URL holds a password, or a file that it names is outside the spec's folder.
    """
    _check_no_password(submission.record)
    if submission.spec in shipped_specs():
        return submission.spec
    spec = Path(submission.spec)
    shutil.copyfile(spec, folder / spec.name)
    for name in _named_files(spec):
        source = (spec.parent / name).resolve()
        if not source.is_relative_to(spec.parent.resolve()):
            msg = (
                f"file {name!r} of {spec} is outside the spec's folder, and what is sent stays inside it; move it "
                "there, or write what it holds into the spec"
            )
            raise InputError(msg)
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return spec.name


def _named_files(spec: Path) -> list[str]:
    """Return the task files, and the file of DeepSpeed's settings, that a spec names."""
    document = read_yaml(spec)
    if not isinstance(document, dict):
        return []
    tasks, settings = document.get("tasks"), deepspeed_file(document.get("trial"))
    named = [name for name in tasks if isinstance(name, str)] if isinstance(tasks, list) else []
    return named + ([settings] if settings else [])


def _check_no_password(record: str | None) -> None:
    if record and "://" in record and urlsplit(record).password:
        msg = (
            "the record's URL holds a password, and what is submitted can be read by all who see the cluster; "
            "leave the password out and put it into ~/.pgpass (or PGPASSWORD) on the hosts"
        )
        raise InputError(msg)
