"""A file that decides a key is read once by a process, and again after it changes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.contracts.samples import write_captions
from trainables.data.request import tokenizer_fingerprint
from trainables.data.sources.source import source_fingerprint
from trainables.file_hashes import file_hash
from trainables.tasks.registry import task


def change_unseen(path: Path) -> None:
    """Change a file, but neither its size nor its time: only reading it would show this."""
    facts, content = path.stat(), path.read_bytes()
    path.write_bytes(bytes(reversed(content)))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def change_seen(path: Path) -> None:
    """Give a file another time."""
    facts = path.stat()
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1_000_000_000))


def test_a_file_is_read_again_after_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("first")
    first = file_hash(path)
    change_unseen(path)
    unread = file_hash(path)
    change_seen(path)

    assert unread == first == hashlib.sha256(b"first").hexdigest()
    assert file_hash(path) == hashlib.sha256(b"tsrif").hexdigest()


@pytest.mark.parametrize("name", ["val.de.gz", "train.en.gz"])
def test_captions_are_not_read_again_for_each_plan(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = task("multi30k")
    write_captions(tmp_path)
    monkeypatch.setenv("XSTILTS_MULTI30K", str(tmp_path))
    path = next(path for path in (tmp_path / "data/task1/raw").glob(f"{name.removesuffix('.gz')}*"))
    first = source_fingerprint(spec)
    path.with_suffix(".kept").write_bytes(path.read_bytes())
    change_unseen(path)
    unread = source_fingerprint(spec)
    path.write_bytes(path.with_suffix(".kept").read_bytes())
    change_seen(path)

    assert unread == first
    assert source_fingerprint(spec) == first


def test_a_tokenizer_is_not_read_again_for_each_task(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    first = tokenizer_fingerprint(tmp_path)
    change_unseen(tmp_path / "tokenizer.json")

    assert tokenizer_fingerprint(tmp_path) == first
    change_seen(tmp_path / "tokenizer.json")
    assert tokenizer_fingerprint(tmp_path) != first
