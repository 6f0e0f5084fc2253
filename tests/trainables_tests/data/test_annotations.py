"""Rows of IGLUE's tasks: lines about photographs, and the photographs, from a user's own folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.contracts.samples import NUM_ROWS, write_annotations
from trainables.data.sources.availability import availability, why_missing
from trainables.data.sources.loader import load_rows
from trainables.data.sources.readable import check_readable
from trainables.data.sources.source import source_fingerprint
from trainables.errors import TaskDataError, UnavailableError
from trainables.tasks.registry import task

LINES = "annotations/fr/test.jsonl"
IMAGE = "images/1000.jpg"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("xvnli", "xflickrco"):
        write_annotations(tmp_path / name, spec=task(name), languages=("en", "fr", "de"))
        monkeypatch.setenv(f"XSTILTS_{name.upper()}", str(tmp_path / name))
    return tmp_path / "xvnli"


def change(path: Path, **fields: object) -> None:
    """Change fields of the first line; None removes a field."""
    lines = path.read_text().splitlines()
    first = json.loads(lines[0]) | fields
    lines[0] = json.dumps({name: value for name, value in first.items() if value is not None})
    path.write_text("\n".join(lines) + "\n")


def test_a_line_of_xvnli_is_a_sentence_on_its_photograph(folder: Path) -> None:
    change(folder / LINES, gold_label="-", sentence2="Un chat.")

    rows = load_rows(task("xvnli"), split="validation", language="fr").to_list()

    assert len(rows) == NUM_ROWS
    assert (rows[0]["hypothesis"], rows[0]["label"], rows[0]["id"]) == ("Un chat.", -1, "1000.jpg#0r1e")
    assert rows[0]["image"]["bytes"] == (folder / IMAGE).read_bytes()
    assert {row["label"] for row in rows[1:]} == {0, 1, 2}


@pytest.mark.usefixtures("folder")
def test_a_line_of_xflickrco_is_a_photograph_with_its_captions() -> None:
    rows = load_rows(task("xflickrco"), split="validation", language="de").to_list()

    assert [row["id"] for row in rows[:2]] == ["1000.jpg", "1001.jpg"]
    assert len(rows[0]["caption"]) == 1


def test_a_task_that_is_asked_without_images_needs_none(folder: Path) -> None:
    (folder / IMAGE).unlink()
    spec = task("xvnli")

    rows = load_rows(spec.without_images(), split="validation", language="fr")

    check_readable(spec.without_images(), split="validation", language="fr")
    assert set(rows.column_names) == {"hypothesis", "label", "id"}
    with pytest.raises(UnavailableError, match=r"has no images/1000\.jpg"):
        check_readable(spec, split="validation", language="fr")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sentence2": None}, "fr/test.jsonl, line 1 has no field 'sentence2'"),
        ({"Flikr30kID": None}, "line 1 has no field 'Flikr30kID'"),
        ({"Flikr30kID": "../secret"}, r"line 1 names the image '\.\./secret\.jpg', which holds a '/'"),
        ({"gold_label": "perhaps"}, "perhaps"),
    ],
)
def test_a_wrong_line_is_named(folder: Path, fields: dict[str, object], message: str) -> None:
    change(folder / LINES, **fields)

    with pytest.raises(TaskDataError, match=message):
        load_rows(task("xvnli"), split="validation", language="fr")


@pytest.mark.parametrize("text", ["not JSON", "[1]"])
def test_a_line_that_is_no_object_is_refused(folder: Path, text: str) -> None:
    (folder / LINES).write_text(text + "\n")

    with pytest.raises(TaskDataError, match="copy the file again"):
        check_readable(task("xvnli"), split="validation", language="fr")


def test_what_is_missing_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnavailableError, match=r"has no annotations/ru/test\.jsonl"):
        check_readable(task("xvnli"), split="validation", language="ru")
    monkeypatch.delenv("XSTILTS_XVNLI")
    assert availability(task("xvnli")) == "missing"
    assert "set XSTILTS_XVNLI" in str(why_missing(task("xvnli")))
    with pytest.raises(UnavailableError, match="XSTILTS_XVNLI is not set"):
        check_readable(task("xvnli"), split="validation", language="fr")
    monkeypatch.setenv("XSTILTS_XVNLI", str(folder / "images"))
    with pytest.raises(UnavailableError, match=r"has no annotations/ar/test\.jsonl"):
        source_fingerprint(task("xvnli"))


def test_a_changed_line_or_photograph_changes_the_key_and_others_do_not(folder: Path) -> None:
    before = source_fingerprint(task("xvnli"))
    without = source_fingerprint(task("xvnli").without_images())
    (folder / "images" / "of_another_data_set.jpg").write_bytes(b"x")
    assert source_fingerprint(task("xvnli")) == before

    (folder / IMAGE).write_bytes((folder / "images" / "1001.jpg").read_bytes())
    changed = source_fingerprint(task("xvnli"))
    assert changed != before
    assert source_fingerprint(task("xvnli").without_images()) == without

    change(folder / LINES, sentence2="Other.")
    assert source_fingerprint(task("xvnli")) not in {before, changed}
