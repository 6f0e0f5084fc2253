"""A file that decides a key is read once by a process, and again after it changes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.contracts.samples import write_captions
from trainables import file_hashes
from trainables.data.request import tokenizer_fingerprint
from trainables.data.sources.source import source_fingerprint
from trainables.file_hashes import file_hash
from trainables.tasks.registry import task


def replace_alike(path: Path) -> None:
    """Change a file, but neither its size nor its time, as `cp -p` of another version can."""
    facts, content = path.stat(), path.read_bytes()
    path.write_bytes(bytes(reversed(content)))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def num_reads() -> int:
    """Return how often this process has read a file for its hash."""
    readers = (file_hashes._file_hash, file_hashes._hash_of_content)  # pyright: ignore[reportPrivateUsage]
    return sum(reader.cache_info().misses for reader in readers)


def test_a_file_is_read_again_after_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("first")
    assert file_hash(path) == hashlib.sha256(b"first").hexdigest()
    before = num_reads()
    assert file_hash(path) == hashlib.sha256(b"first").hexdigest()
    assert num_reads() == before

    replace_alike(path)

    assert file_hash(path) == hashlib.sha256(b"tsrif").hexdigest()


@pytest.mark.parametrize("name", ["val.de.gz", "train.en.gz"])
def test_captions_are_not_read_again_for_each_plan(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = task("multi30k")
    write_captions(tmp_path)
    monkeypatch.setenv("XSTILTS_MULTI30K", str(tmp_path))
    path = next(path for path in (tmp_path / "data/task1/raw").glob(f"{name.removesuffix('.gz')}*"))
    first, before = source_fingerprint(spec), num_reads()
    assert source_fingerprint(spec) == first
    assert num_reads() == before

    os.utime(path)

    assert source_fingerprint(spec) == first
    assert num_reads() == before + 1


def test_a_tokenizer_is_not_read_again_for_each_task(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    first, before = tokenizer_fingerprint(tmp_path), num_reads()
    assert tokenizer_fingerprint(tmp_path) == first
    assert num_reads() == before

    replace_alike(tmp_path / "tokenizer.json")

    assert tokenizer_fingerprint(tmp_path) != first
