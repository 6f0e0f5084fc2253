"""A bucket and a database on a host of their own: an S3 server and PostgreSQL that listen at its address alone.

moto's server speaks S3's protocol, conditional writes included; PostgreSQL asks for a password.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.hosts import Host
from tests.postgres import binaries_of_server

BUCKET = "trials"
PASSWORD = "Tr0mb0ne-in-the-attic"  # noqa: S105  (looked for wherever it must not be)
SECRET_KEY = "Accordion-in-the-cellar"  # noqa: S105  (as above)
SECONDS = 60.0
_S3_PORT, _POSTGRES_PORT = 9000, 5432
_USER = "postgres"
_MAKE_BUCKET = f"""
import sys, urllib.request
urllib.request.urlopen(urllib.request.Request(sys.argv[1] + "/{BUCKET}", method="PUT"))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Where they are."""

    host: Host

    @property
    def store(self) -> str:
        return f"s3://{BUCKET}/store"

    @property
    def record(self) -> str:
        """The database's URL, with its password."""
        return f"postgresql+psycopg://{_USER}:{PASSWORD}@{self.host.address}:{_POSTGRES_PORT}/postgres"

    @property
    def for_bucket(self) -> dict[str, str]:
        """Environment of who uses the bucket."""
        return {
            "AWS_ENDPOINT_URL": f"http://{self.host.address}:{_S3_PORT}",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
        }

    def dump(self) -> str:
        """Return all that the database holds."""
        program = str(binaries_of_server() / "pg_dump")
        words = ["-h", self.host.address, "-p", str(_POSTGRES_PORT), "-U", _USER, "postgres"]
        return self._run(program, *words, environment={"PGPASSWORD": PASSWORD}).stdout

    def wait(self) -> None:
        """Wait until both answer, and make the bucket."""
        ready = [str(binaries_of_server() / "pg_isready"), "-h", self.host.address, "-p", str(_POSTGRES_PORT)]
        make = [sys.executable, "-c", _MAKE_BUCKET, self.for_bucket["AWS_ENDPOINT_URL"]]
        for command in (ready, make):
            deadline = time.monotonic() + SECONDS
            while (ended := self._run(*command)).returncode != 0:
                assert time.monotonic() < deadline, ended.stdout + ended.stderr
                time.sleep(0.2)

    def _run(self, *command: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return self.host.run(*command, environment=environment)


@contextlib.contextmanager
def running_services(host: Host) -> Generator[Services]:
    """Yield a bucket and a database on a host, which end with it.

    Raises:
        NoServerError: There is no PostgreSQL and it cannot be installed.
    """
    folder = Path(tempfile.mkdtemp(prefix="xstilts-services-"))
    shutil.chown(folder, _USER)
    services = Services(host=host)
    moto = [str(Path(sys.executable).with_name("moto_server")), "-H", host.address, "-p", str(_S3_PORT)]
    _make_database(binaries_of_server(), folder=folder)
    postgres = [str(binaries_of_server() / "postgres"), "-D", str(folder / "data"), "-k", str(folder)]
    postgres += ["-h", host.address, "-p", str(_POSTGRES_PORT), "-c", "fsync=off"]
    as_user = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]
    try:
        with (folder / "log").open("wb") as log:
            started = [
                subprocess.Popen(host.command(*command), stdout=log, stderr=log)
                for command in (moto, as_user + postgres)
            ]
        services.wait()
        yield services
        host.kill()
        for process in started:
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_database(binaries: Path, *, folder: Path) -> None:
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    initialise = [binaries / "initdb", "-D", folder / "data", "-U", _USER, "-A", "scram-sha-256", "--no-sync"]
    initialise += ["-E", "UTF8", "--locale=C", f"--pwfile={folder / 'password'}"]
    subprocess.run(initialise, user=_USER, cwd=folder, capture_output=True, check=True)
    with (folder / "data" / "pg_hba.conf").open("a") as file:
        file.write("host all all 0.0.0.0/0 scram-sha-256\n")
