"""A sweep that is submitted to a cluster: the command, and the files that are sent: the spec and the files it names."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from search.errors import InputError
from spaces.named_files.deepspeed_file import deepspeed_file
from spaces.sweep_spec import shipped_specs
from trainables.config.yaml_file import read_yaml

HEAD_HOME = "~/xstilts-home"
"""XSTILTS_HOME on the head: it holds the record, if that is SQLite, and the scratch folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A sweep to run on a cluster."""

    spec: str
    """Name of a spec that ships, or path of a spec."""
    name: str
    """Name of the sweep."""
    store: str | None = None
    """Folder that all hosts share, or URL of a bucket."""
    record: str | None = None
    """URL of the record, without a password; None: a file on the head's disk."""
    trials: int | None = None
    """Number of trials of the sweep; None: the number in the spec."""
    take_over: bool = False
    """Whether to take the sweep over from a driver without a heartbeat, such as one on a lost head."""
    settings: tuple[str, ...] = ()
    """Values of `--set`."""

    def entrypoint(self, spec: str) -> str:
        """Return the command that the head runs.

        Args:
            spec: Name or path of the spec on the head.
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
    """Copy the files to send into an empty folder; return the spec's name in it, or the name of a spec that ships.

    Raises:
        InputError: The record's URL has a password, or the spec names a file outside its folder.
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
                f"file {name!r} of {spec} is outside the spec's folder, and only files inside it are sent; move the "
                "file there, or write its content into the spec"
            )
            raise InputError(msg)
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return spec.name


def _named_files(spec: Path) -> list[str]:
    """Return the files that a spec names: task files, and the file of DeepSpeed's settings."""
    document = read_yaml(spec)
    if not isinstance(document, dict):
        return []
    tasks, settings = document.get("tasks"), deepspeed_file(document.get("trial"))
    named = [name for name in tasks if isinstance(name, str)] if isinstance(tasks, list) else []
    return named + ([settings] if settings else [])


def _check_no_password(record: str | None) -> None:
    if record and "://" in record and urlsplit(record).password:
        msg = (
            "the record's URL has a password, and everyone with access to the cluster can read a submission; "
            "remove the password from the URL, and put it into ~/.pgpass (or PGPASSWORD) on the hosts"
        )
        raise InputError(msg)
