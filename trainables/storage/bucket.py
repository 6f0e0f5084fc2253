"""A storage in a bucket of S3, or of a service with its protocol. The only module that imports obstore.

It uses obstore because `put(mode="create")` sends S3's `If-None-Match`, which makes a creation exclusive; the file
systems of pyarrow and fsspec overwrite without an error.
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from trainables.errors import StorageError, StoreUnusableError
from trainables.storage.contract import Entry, HostLock

_PART_BYTES = 16 << 20  # S3 takes 10,000 parts: files of up to 160 GB
_CONNECTIONS = 4
_BUCKET = re.compile(r"[A-Za-z0-9._-]+")
_ENDPOINT = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>\d{1,5}))?(/[!-~]*)?")
_LAST_PORT = 65535


class BucketStorage:
    """A storage under a prefix of a bucket.

    Credentials, region and endpoint come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
    AWS_ENDPOINT_URL and the others that AWS's own tools read.

    Args:
        url: `s3://BUCKET` or `s3://BUCKET/PREFIX`.

    Raises:
        StoreUnusableError: The URL names no bucket, or the bucket's name or the endpoint is not valid.
    """

    locks_hold = False

    def __init__(self, url: str) -> None:
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        if not bucket:
            msg = f"the store {url!r} names no bucket; give s3://BUCKET/PREFIX by --store"
            raise StoreUnusableError(msg)
        _check_parts(url, bucket=bucket)
        self.url = f"s3://{bucket}/{prefix.strip('/')}".rstrip("/")
        self._store = _s3_store(url, bucket=bucket, prefix=prefix.strip("/") or None)

    def read(self, name: str) -> bytes | None:
        """Return an object's content, or None when there is none."""
        with self._errors(f"read {name}"):
            try:
                return bytes(obstore.get(self._store, name).bytes())
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes) -> None:
        """Write an object, and replace an existing one."""
        with self._errors(f"write {name}"):
            obstore.put(self._store, name, data)

    def create(self, name: str, data: bytes) -> bool:
        """Write an object unless one of this name exists; return whether it was written."""
        with self._errors(f"create {name}"):
            try:
                obstore.put(self._store, name, data, mode="create")
            except AlreadyExistsError:
                # It is ours if the response to a first try was lost and obstore tried again: no two writers write the
                # same data.
                return self.read(name) == data
        return True

    def remove(self, name: str) -> None:
        """Remove an object if it exists."""
        with self._errors(f"remove {name}"), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, name)

    def entries(self, folder: str) -> list[Entry]:
        """Return all objects below a folder, at any depth, ordered by name."""
        with self._errors(f"list {folder}"):
            found = [each for batch in obstore.list(self._store, prefix=folder or None) for each in batch]
        listed = (
            Entry(name=each["path"], num_bytes=each["size"], modified=each["last_modified"].timestamp())
            for each in found
        )
        return sorted(listed, key=lambda entry: entry.name)

    def publish(self, source: Path, *, to: str, part: str, last: str) -> bool:
        """Upload a local folder's files, and create its last one. See the contract."""
        if self.read(f"{to}/{last}") is not None:
            return False  # before the upload of gigabytes
        folder = f"{to}/{part}" if part else to
        for path in sorted(source.rglob("*")):
            name = path.relative_to(source).as_posix()
            if path.is_file() and name != last:
                with self._errors(f"upload {name}"):
                    obstore.put(
                        self._store, f"{folder}/{name}", path, chunk_size=_PART_BYTES, max_concurrency=_CONNECTIONS
                    )
        return self.create(f"{to}/{last}", (source / last).read_bytes())

    def part(self) -> str:
        """Return a new folder name, so that two writers of one folder do not mix their files."""
        return uuid.uuid4().hex[:8]

    def move(self, folder: str, *, to: str, first: str) -> None:
        """Move a folder's objects one by one, `first` before the others."""
        names = [entry.name for entry in self.entries(folder)]
        for name in sorted(names, key=lambda name: name != f"{folder}/{first}"):
            with self._errors(f"move {name}"), contextlib.suppress(FileNotFoundError):
                obstore.rename(self._store, name, to + name.removeprefix(folder))

    def remove_folder(self, folder: str) -> None:
        """Remove a folder's objects."""
        names = [entry.name for entry in self.entries(folder)]
        with self._errors(f"remove {folder}"), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, names)

    def local(self, name: str) -> None:
        """Return None: nothing of a bucket is on this machine."""
        del name

    def download(self, name: str, *, to: Path) -> bool:
        """Write an object's content to a local path. Return False when there is no such object."""
        with self._errors(f"download {name}"):
            try:
                found = obstore.get(self._store, name)
            except FileNotFoundError:
                return False
            with to.open("wb") as file:
                for block in found.stream(min_chunk_size=_PART_BYTES):
                    file.write(block)
        return True

    def lock(self, name: str) -> HostLock:
        """Return a lock without effect: a bucket has no locks."""
        del name
        return _NoLock()

    def now(self) -> float:
        """Return the time by the bucket's clock."""
        name = f"clock-{uuid.uuid4().hex}"
        self.write(name, b"")
        try:
            with self._errors("ask for the time"):
                return obstore.head(self._store, name)["last_modified"].timestamp()
        finally:
            self.remove(name)

    def check(self) -> None:
        """Write and remove an object.

        Raises:
            StoreUnusableError: The bucket cannot be reached, or denies the request.
        """
        try:
            self.now()
        except StorageError as error:
            reason = _first_line(error.__cause__ or error)
            msg = (
                f"the store {self.url!r} cannot be used at {_endpoint() or 'Amazon S3'} ({reason}); check the bucket's "
                "name, AWS_ENDPOINT_URL, AWS_REGION and the credentials, or choose another by --store"
            )
            raise StoreUnusableError(msg) from error

    @contextlib.contextmanager
    def _errors(self, what: str) -> Generator[None]:
        try:
            yield
        except BaseException as error:
            # A panic of Rust is a BaseException, and its class cannot be imported.
            if not isinstance(error, BaseError | FileNotFoundError) and type(error).__name__ != "PanicException":
                raise
            msg = f"could not {what} in the store {self.url!r}: {_first_line(error)}; run the command again later"
            raise StorageError(msg) from error


def _s3_store(url: str, *, bucket: str, prefix: str | None) -> S3Store:
    try:
        return S3Store(
            bucket,
            prefix=prefix,
            client_options={
                "allow_http": _endpoint().startswith("http://"),
                "connect_timeout": timedelta(seconds=10),
                "timeout": timedelta(hours=1),  # for a whole request: one part of a large file on a slow connection
            },
            retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=60)},
        )
    except (BaseError, ValueError) as error:
        msg = f"the store {url!r} cannot be used ({_first_line(error)}); give s3://BUCKET/PREFIX by --store"
        raise StoreUnusableError(msg) from error


def _check_parts(url: str, *, bucket: str) -> None:
    """Check the parts of a URL that make obstore panic.

    Raises:
        StoreUnusableError: The bucket's name or the endpoint cannot be part of a URL.
    """
    if not _BUCKET.fullmatch(bucket):
        rule = "a bucket's name has letters, digits, `.`, `-` and `_`"
        raise StoreUnusableError(f"the store {url!r} cannot be used: {rule}; give s3://BUCKET/PREFIX by --store")
    endpoint = _endpoint()
    parts = _ENDPOINT.fullmatch(endpoint)
    if endpoint and (parts is None or int(parts["port"] or 0) > _LAST_PORT):
        msg = (
            f"the store {url!r} cannot be used: AWS_ENDPOINT_URL is {endpoint!r}, which is no http(s)://HOST[:PORT]; "
            "correct it, or unset it for Amazon S3"
        )
        raise StoreUnusableError(msg)


class _NoLock:
    """A lock without effect."""

    def release(self) -> None:
        """Do nothing."""


def _endpoint() -> str:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def _first_line(error: BaseException) -> str:
    text = str(error)
    # The text ends with a dump of the source error, and S3's own response is XML.
    code = re.search(r"<Code>(\w+)</Code>", text)
    return code.group(1) if code else (text.splitlines() or [type(error).__name__])[0]
