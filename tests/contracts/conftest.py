"""A store on a disk and one in a bucket.

The bucket is in an S3 server on loopback: moto speaks the protocol, conditional writes included; no cloud is reached.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.contracts.stores import Clock, Place
from trainables.stage_store import leases
from trainables.storage import DiskStorage


@pytest.fixture(params=["disk", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    url = str(tmp_path / "store") if request.param == "disk" else request.getfixturevalue("bucket")
    return Place(url=url, folder=tmp_path)


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hosts share and whose locks do not reach the others; two such hosts cannot exist here."""

    class NoLock:
        def release(self) -> None:
            pass

    monkeypatch.setattr(DiskStorage, "locks_hold", False)
    monkeypatch.setattr(DiskStorage, "lock", lambda _self, _name: NoLock())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(leases, "time", clock)
    return clock


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The server's URL, for this process and those that it starts."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_REGION", "us-east-1")
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_endpoint: str) -> str:
    """URL of a prefix in a bucket of its own."""
    name = f"b{uuid.uuid4().hex[:12]}"
    connection = HTTPConnection(s3_endpoint.removeprefix("http://"))
    connection.request("PUT", f"/{name}")
    assert connection.getresponse().status == 200
    connection.close()
    return f"s3://{name}/store"
