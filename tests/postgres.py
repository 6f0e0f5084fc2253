"""A PostgreSQL server for a test session: installed where it is missing, on loopback, in a temporary folder.

`apt-get install postgresql` runs only where no server is installed, this process is root, and the system is Debian's;
it takes under a minute, and nothing when the server is there. Elsewhere the tests that need it skip, with the reason.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

_USER = "postgres"
_INSTALL_SECONDS = 300
# The server's data live as long as the tests: it need not survive the machine.
_SETTINGS = ("fsync=off", "synchronous_commit=on", "full_page_writes=off", "max_connections=50", "shared_buffers=16MB")


class NoServerError(Exception):
    """There is no PostgreSQL here, and it cannot be installed."""


@dataclass(slots=True, kw_only=True)
class Server:
    """A running server."""

    port: int
    num_databases: int = 0

    def new_database(self) -> str:
        """Return the URL of a new, empty database."""
        import psycopg

        self.num_databases += 1
        name = f"record_{self.num_databases}"
        with psycopg.connect(self._url("postgresql", "postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._url("postgresql+psycopg", name)

    def _url(self, scheme: str, database: str) -> str:
        return f"{scheme}://{_USER}@127.0.0.1:{self.port}/{database}"


@contextlib.contextmanager
def running_server() -> Generator[Server]:
    """Yield a server that is stopped afterwards.

    Raises:
        NoServerError: There is none and it cannot be installed, or nobody but root may run it.
    """
    binaries = binaries_of_server()
    user = _USER if os.geteuid() == 0 else None  # the server refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="xstilts-postgres-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        server = Server(port=_free_port())
        with _serving(binaries, folder=folder, port=server.port, user=user):
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def binaries_of_server() -> Path:
    """Return the folder of the server's programs, which are installed where they are missing.

    Raises:
        NoServerError: There are none and they cannot be installed.
    """
    return _find_binaries() or _install()


def _find_binaries() -> Path | None:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    places += [Path(on_path).parent] if on_path else []
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


def _install() -> Path:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        msg = "PostgreSQL is not installed, and only root on a Debian system can install it here"
        raise NoServerError(msg)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", "postgresql"]):
        command = [apt, *words]
        ended = subprocess.run(command, env=environment, capture_output=True, timeout=_INSTALL_SECONDS, check=False)
    binaries = _find_binaries()
    if binaries is None:
        last = (ended.stderr.decode().strip().splitlines() or ["no reason given"])[-1]
        msg = f"apt-get could not install PostgreSQL: {last}"
        raise NoServerError(msg)
    with contextlib.suppress(KeyError):
        pwd.getpwnam(_USER)
        return binaries
    msg = f"there is no user {_USER!r} to run PostgreSQL as"
    raise NoServerError(msg)


@contextlib.contextmanager
def _serving(binaries: Path, *, folder: Path, port: int, user: str | None) -> Generator[None]:
    data = folder / "data"
    initialise = [binaries / "initdb", "-D", data, "-U", _USER, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
    subprocess.run(initialise, user=user, cwd=folder, capture_output=True, check=True)
    options = ["-h", "127.0.0.1", "-p", str(port), "-k", folder, *(word for s in _SETTINGS for word in ("-c", s))]
    with (folder / "log").open("wb") as log:
        command = [binaries / "postgres", "-D", data, *options]
        process = subprocess.Popen(command, user=user, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_until_ready(process, port=port, log=folder / "log")
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(process: subprocess.Popen[bytes], *, port: int, log: Path) -> None:
    import psycopg

    for _ in range(300):
        if process.poll() is not None:
            msg = f"PostgreSQL ended as it started: {log.read_text()[-300:]}"
            raise NoServerError(msg)
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=port, user=_USER, dbname="postgres", connect_timeout=2).close()
            return
        time.sleep(0.1)
    msg = "PostgreSQL did not answer within 30 s"
    raise NoServerError(msg)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]
