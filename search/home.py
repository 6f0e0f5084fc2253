"""The places that commands work with: the record, the store, and the scratch folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from search.errors import InputError
from trainables.names import expanded

if TYPE_CHECKING:
    from trainables.stage_store import StageStore

_MAX_URL = 4096
"""Longest URL of a record, in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The places that a command works with. Paths are absolute, because Ray changes the working directory of trials."""

    record: str
    """Path or database URL of the record."""
    store: str
    """Path of the store's folder, or URL of its bucket."""
    scratch: Path
    """Folder for files that can be lost: progress files, Ray Tune's own state."""

    @property
    def encoders(self) -> Path:
        """Folder of encoders whose weights were converted."""
        return self.scratch.parent / "encoders"

    @property
    def downloads(self) -> Path:
        """Folder for downloads from a store in a bucket."""
        return self.scratch / "downloads"

    def open_store(self, *, read_only: bool = False) -> StageStore:
        """Return the store; create it if it does not exist.

        Args:
            read_only: Whether stages are only read; the store must exist then.

        Raises:
            StoreUnusableError: The store cannot be created, reached or written.
        """
        from trainables.stage_store import StageStore

        return StageStore(self.store, cache=self.downloads, read_only=read_only)

    def progress_folder(self, sweep: str) -> Path:
        """Return the folder that holds one progress file for each running trial of a sweep."""
        return self.scratch / "progress" / sweep

    def progress_path(self, sweep: str, *, number: int) -> Path:
        """Return the progress file of one trial."""
        return self.progress_folder(sweep) / f"{number}.json"

    def log_path(self, sweep: str, *, number: int) -> Path:
        """Return the log file of one trial, which has the details of its failures."""
        return self.scratch / "logs" / sweep / f"{number}.log"

    def stop_path(self, sweep: str) -> Path:
        """Return the file that stops the running trials of a sweep: they stop as soon as it exists."""
        return self.scratch / "stop" / sweep


def check_home(home: Home, *, with_record: bool = True) -> None:
    """Check that the store, the scratch folder and the record can be created and written, without creating anything.

    Args:
        home: The places.
        with_record: Whether to check the record too.

    Raises:
        InputError: One of them cannot be created or written.
    """
    from trainables.stage_store import check_store, why_not_writable

    check_store(home.store)
    if problem := why_not_writable(home.scratch):
        msg = f"XSTILTS_HOME {str(home.scratch.parent)!r} cannot be used: {problem}; set it to another folder"
        raise InputError(msg)
    record = home.record.removeprefix("sqlite:///")
    if with_record and "://" not in record and (problem := why_not_writable(Path(record).parent)):
        msg = f"record {record} cannot be written: {problem}; choose another place with --record"
        raise InputError(msg)


def find_home(*, record: str | None = None, store: str | None = None) -> Home:
    """Return the places from `--record` and `--store`, else from XSTILTS_HOME, else under `./xstilts-home`.

    Args:
        record: Value of `--record`: a path or a URL. Without it, the record of `record_from_environment` is used, then
            the one in XSTILTS_HOME.
        store: Value of `--store`: a path or a URL.

    Raises:
        InputError: The file that XSTILTS_RECORD_FILE names cannot be read.
    """
    record = record or record_from_environment()
    folder = expanded(os.environ.get("XSTILTS_HOME") or "xstilts-home", what="XSTILTS_HOME").absolute()
    return Home(
        record=_absolute(record) if record else str(folder / "record.db"),
        store=_absolute(store) if store else str(folder / "store"),
        scratch=folder / "scratch",
    )


def record_from_environment() -> str | None:
    """Return the record that the environment names: XSTILTS_RECORD, or the content of the file XSTILTS_RECORD_FILE.

    Raises:
        InputError: The file cannot be read.
    """
    file = os.environ.get("XSTILTS_RECORD_FILE")
    if os.environ.get("XSTILTS_RECORD") or not file:
        return os.environ.get("XSTILTS_RECORD") or None
    path = expanded(file, what="XSTILTS_RECORD_FILE")
    try:
        with path.open(encoding="utf-8") as opened:
            place = opened.read(_MAX_URL + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        msg = f"XSTILTS_RECORD_FILE {file!r} cannot be read ({reason}); give a file that holds the record's URL"
        raise InputError(msg) from None
    if len(place) > _MAX_URL or "\n" in place:
        msg = f"XSTILTS_RECORD_FILE {file!r} holds more than a URL of one line; give a file that holds the record's URL"
        raise InputError(msg)
    return place or None


def _without_password(url: str) -> str:
    """Return the URL of a PostgreSQL server without its password, and put the password into PGPASSWORD.

    The password is then not in the arguments of trials, nor in the files that Ray writes. Child processes inherit it.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        msg = f"{url!r} is not a URL ({error}); write it like s3://BUCKET/PREFIX or postgresql://USER@HOST/DATABASE"
        raise InputError(msg) from None
    if not parts.scheme.startswith("postgresql") or parts.password is None:
        return url
    os.environ["PGPASSWORD"] = unquote(parts.password)
    user, _, place = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{place}"))


def _absolute(place: str) -> str:
    if place.startswith("sqlite:///"):
        # SQLAlchemy writes sqlite:///relative and sqlite:////absolute.
        return "sqlite:///" + str(Path(place.removeprefix("sqlite:///")).absolute())
    if "://" in place:
        return _without_password(place)
    return str(expanded(place, what="the path").absolute())
