"""Where things are: the record, the store, and scratch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from search.errors import InputError

if TYPE_CHECKING:
    from trainables.stage_store import StageStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Places that a command works with. Absolute, because Ray changes the working directory of a trial."""

    record: str
    """Path or database URL of the record."""
    store: str
    """Path of the store's folder, or URL of its bucket."""
    scratch: Path
    """Folder for what may be lost: progress files, Ray Tune's own state."""

    @property
    def downloads(self) -> Path:
        """Folder for what is downloaded from a store in a bucket."""
        return self.scratch / "downloads"

    def open_store(self, *, read_only: bool = False) -> StageStore:
        """Return the store, made where it is missing.

        Args:
            read_only: It exists, and its stages are only read.

        Raises:
            StoreUnusableError: It cannot be made, reached or written.
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
        """Return the file that takes what is worth knowing of a trial's failures."""
        return self.scratch / "logs" / sweep / f"{number}.log"

    def stop_path(self, sweep: str) -> Path:
        """Return the file whose existence asks the running trials of a sweep to stop."""
        return self.scratch / "stop" / sweep


def check_home(home: Home, *, with_record: bool = True) -> None:
    """Check that store, scratch folder and record can be made and written, without making anything.

    Args:
        home: The places.
        with_record: Whether the record is written too.

    Raises:
        InputError: One cannot.
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
        record: What `--record` was given: a path or a URL; before XSTILTS_HOME goes what `given_record` returns.
        store: What `--store` was given: a path or a URL.

    Raises:
        InputError: The file that XSTILTS_RECORD_FILE names cannot be read.
    """
    record = record or given_record()
    folder = Path(os.environ.get("XSTILTS_HOME") or "xstilts-home").expanduser().absolute()
    return Home(
        record=_absolute(record) if record else str(folder / "record.db"),
        store=_absolute(store) if store else str(folder / "store"),
        scratch=folder / "scratch",
    )


def given_record() -> str | None:
    """Return the record that the environment names: XSTILTS_RECORD, or what stands in the file XSTILTS_RECORD_FILE.

    Raises:
        InputError: The file cannot be read.
    """
    file = os.environ.get("XSTILTS_RECORD_FILE")
    if os.environ.get("XSTILTS_RECORD") or not file:
        return os.environ.get("XSTILTS_RECORD") or None
    try:
        return Path(file).expanduser().read_text(encoding="utf-8").strip() or None
    except OSError as error:
        msg = f"XSTILTS_RECORD_FILE {file!r} cannot be read ({error.strerror}); name a file that holds the record's URL"
        raise InputError(msg) from None


def _without_password(url: str) -> str:
    """Return a URL of a PostgreSQL server without its password, which goes to PGPASSWORD.

    So it stands in no trial's order, and in no file that Ray writes of it; processes that are started inherit it.
    """
    parts = urlsplit(url)
    if not parts.scheme.startswith("postgresql") or parts.password is None:
        return url
    os.environ["PGPASSWORD"] = unquote(parts.password)
    user, _, place = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{place}"))


def _absolute(place: str) -> str:
    if place.startswith("sqlite:///"):
        # SQLAlchemy's sqlite:///relative and sqlite:////absolute.
        return "sqlite:///" + str(Path(place.removeprefix("sqlite:///")).absolute())
    if "://" in place:
        return _without_password(place)
    try:
        return str(Path(place).expanduser().absolute())
    except RuntimeError as error:
        msg = f"the place {place!r} cannot be found: {error}; write its path out"
        raise InputError(msg) from None
