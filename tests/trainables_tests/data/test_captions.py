"""Captions of photographs in several languages, in the layout of Multi30K."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from search.cli.main import exit_code
from tests.contracts.samples import NUM_ROWS, write_captions
from trainables.data.sources.availability import availability, why_missing
from trainables.data.sources.loader import load_rows
from trainables.data.sources.readable import check_readable
from trainables.data.sources.source import source_fingerprint
from trainables.errors import InputError, TaskDataError, UnavailableError
from trainables.names import UnsafeNameError
from trainables.tasks.registry import task

SPEC = task("multi30k")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_captions(tmp_path / "captions")
    monkeypatch.setenv("XSTILTS_MULTI30K", str(tmp_path / "captions"))
    return tmp_path / "captions"


def captions(folder: Path, split: str, language: str) -> list[str]:
    path = folder / f"data/task1/raw/{split}.{language}"
    packed = path.with_name(f"{path.name}.gz")
    text = gzip.decompress(packed.read_bytes()) if packed.is_file() else path.read_bytes()
    return text.decode().splitlines()


@pytest.mark.parametrize("language", SPEC.languages)
def test_a_caption_stands_beside_its_photograph(language: str, folder: Path) -> None:
    rows = load_rows(SPEC, split="validation", language=language)
    names = (folder / "data/task1/image_splits/val.txt").read_text().split()

    assert list(rows["caption"]) == captions(folder, "val", language)
    assert [Path(image["path"]).name for image in rows["image"]] == names
    assert list(rows["id"]) == [name.removesuffix(".jpg") for name in names]


def test_the_fingerprint_is_of_captions_and_photographs_but_not_of_the_place_or_the_test_split(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = source_fingerprint(SPEC)
    write_captions(tmp_path / "elsewhere")
    monkeypatch.setenv("XSTILTS_MULTI30K", str(tmp_path / "elsewhere"))
    moved = source_fingerprint(SPEC)
    monkeypatch.setenv("XSTILTS_MULTI30K", str(folder))
    (folder / "data/task1/raw/test_2016_flickr.de").write_text("anders\n")
    other_test = source_fingerprint(SPEC)
    (folder / "data/task1/raw/val.de").write_text("anders\n" * NUM_ROWS)
    other_dev = source_fingerprint(SPEC)
    next((folder / "flickr30k-images").glob("0.jpg")).write_bytes(b"another")

    assert first == moved == other_test
    assert len({first, other_dev, source_fingerprint(SPEC)}) == 3


def test_a_variable_that_is_not_set_is_named_with_the_page(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("XSTILTS_MULTI30K", raising=False)

    assert availability(SPEC) == "missing"
    assert "set XSTILTS_MULTI30K to the folder of your copy of https://github.com/multi30k/dataset" in str(
        why_missing(SPEC)
    )
    with pytest.raises(UnavailableError, match=r"XSTILTS_MULTI30K is not set; .*https://github.com/multi30k/dataset"):
        check_readable(SPEC, split="train", language="en")
    assert exit_code(["tasks", "multi30k"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "XSTILTS_MULTI30K" in said
    assert "multi30k/dataset" in said


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        ("raw/val.de", None, UnavailableError, r"has no data/task1/raw/val\.de\.gz; .*add what is missing"),
        ("image_splits/val.txt", None, UnavailableError, r"has no data/task1/image_splits/val\.txt"),
        ("raw/val.de", "eins\nzwei\n", TaskDataError, f"has 2 captions, and .*names {NUM_ROWS} photographs"),
        ("raw/val.de", "eins\n\n" + "zwei\n" * (NUM_ROWS - 2), TaskDataError, "an empty caption in line 2"),
        ("raw/val.de", b"\xff\n" * NUM_ROWS, TaskDataError, "is not UTF-8"),
        ("image_splits/val.txt", "lost.jpg\n" * NUM_ROWS, UnavailableError, "flickr30k-images/lost.jpg and 23 more"),
        ("image_splits/val.txt", "\n", TaskDataError, "names no photograph"),
        ("image_splits/val.txt", "../secret.jpg\n" * NUM_ROWS, UnsafeNameError, "must stay below its folder"),
    ],
)
def test_what_cannot_be_read_is_named_before_the_start(
    name: str, content: str | bytes | None, error: type[Exception], words: str, folder: Path
) -> None:
    path = folder / "data/task1" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(error, match=words):
        check_readable(SPEC, split="validation", language="de")
    check_readable(SPEC, split="train", language="de")


@pytest.mark.parametrize("content", [b"no gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + bytes(range(40))])
def test_a_damaged_archive_is_named(content: bytes, folder: Path) -> None:
    (folder / "data/task1/raw/val.en.gz").write_bytes(content)

    with pytest.raises(InputError, match=r"val\.en\.gz cannot be read"):
        check_readable(SPEC, split="validation", language="en")


def test_names_with_the_number_of_a_caption_are_read(folder: Path) -> None:
    path = folder / "data/task1/image_splits/val.txt"
    path.write_text("".join(f"{name}#2\n" for name in path.read_text().split()))

    assert load_rows(SPEC, split="validation")[0]["id"] == "1000"
