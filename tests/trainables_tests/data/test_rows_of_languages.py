"""Sources with several languages in one place: rows chosen by a prefix, and comparable corpora with gold pairs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.own_task import write_fields
from trainables.data.sources.loader import load_rows
from trainables.data.sources.readable import check_readable
from trainables.data.sources.source import source_fingerprint
from trainables.errors import ConfigError, TaskDataError, UnavailableError
from trainables.own_tasks.task_file import load_task_file
from trainables.tasks.registry import task
from trainables.tasks.spec import TaskSpec

BITEXT = {
    "de": "de-1\tEin Haus.\nde-2\tEin Baum.\nde-3\tEin Baum.\n",
    "en": "en-1\tA tree.\nen-2\tA house.\n",
    "gold": "de-1\ten-2\n",
}


def own_task(folder: Path, *, languages: tuple[str, ...] = ("de", "en", "fr"), **source: object) -> TaskSpec:
    lines = ["id,a,b,gold", "de-1,Eins,Zwei,yes", "en-1,One,Two,no", "de-2,Drei,Vier,no"]
    (folder / "pairs.csv").write_text("\n".join(lines) + "\n")
    path = write_fields(
        folder / "my.task.yaml",
        name="pairs_of_languages",
        kind="sentence_pair",
        columns={"premise": "a", "hypothesis": "b", "label": "gold"},
        labels=["no", "yes"],
        languages=list(languages),
        source={"files": {"train": "pairs.csv"}, **source},
    )
    return load_task_file(path)


def test_a_file_holds_several_languages(tmp_path: Path) -> None:
    spec = own_task(tmp_path, where={"column": "id", "prefix": "{language}-"})

    rows = {language: load_rows(spec, split="train", language=language) for language in ("de", "en")}

    assert rows["de"]["premise"] == ["Eins", "Drei"]
    assert rows["en"]["label"] == [0]
    (counts,) = check_readable(spec, split="train", language="de")
    assert (counts.num_rows, counts.num_left_out) == (2, 0)
    with pytest.raises(TaskDataError, match="0 rows"):
        check_readable(spec, split="train", language="fr")


def test_a_filter_by_no_column_is_refused_by_its_field(tmp_path: Path) -> None:
    spec = own_task(tmp_path, where={"column": "lang", "prefix": "{language}"})

    with pytest.raises(TaskDataError, match=r"line 2: no column 'lang'.*id, a, b, gold; correct `source.where.column`"):
        check_readable(spec, split="train", language="de")


def test_a_filter_that_is_not_used_is_in_no_key(tmp_path: Path) -> None:
    plain = own_task(tmp_path, languages=("de",))
    filtered = own_task(tmp_path, languages=("de",), where={"column": "id", "prefix": "de-"})

    assert "where" not in str(plain.identity())
    assert plain.identity() != filtered.identity()


@pytest.mark.mirror
@pytest.mark.skipif(not os.environ.get("XSTILTS_MIRROR"), reason="XSTILTS_MIRROR is unset: no real data here")
@pytest.mark.parametrize(("language", "first"), [("en", "english"), ("ko", "korean"), ("sw", "swahili")])
def test_tydiqa_is_read_language_by_language(language: str, first: str) -> None:
    spec = task("tydiqa")

    check_readable(spec, split="validation", language=language)
    rows = load_rows(spec, split="validation", language=language)

    assert len(rows) == 400
    assert {name.split("-")[0] for name in rows["id"]} == {first}


@pytest.mark.mirror
@pytest.mark.skipif(not os.environ.get("XSTILTS_MIRROR"), reason="XSTILTS_MIRROR is unset: no real data here")
def test_a_language_without_rows_is_refused_before_the_start() -> None:
    message = "none of 1200 rows has a text in 'id' that starts with 'finnish-'"
    with pytest.raises(ConfigError, match=message):
        check_readable(task("tydiqa"), split="validation", language="fi")
    with pytest.raises(TaskDataError, match=message):
        load_rows(task("tydiqa"), split="validation", language="fi")


@pytest.fixture
def bitext(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for ending, text in BITEXT.items():
        (tmp_path / f"de-en.dev.{ending}").write_text(text)
    monkeypatch.setenv("XSTILTS_BUCC", str(tmp_path))
    return tmp_path


def test_a_bitext_is_one_row_a_sentence_and_gold_pairs_share_a_link(bitext: Path) -> None:
    del bitext
    rows = load_rows(task("bucc"), split="validation", language="de").to_list()

    links = {row["id"]: row["link"] for row in rows}
    assert [row["query"] or row["candidate"] for row in rows] == [
        "Ein Haus.",
        "A house.",
        "Ein Baum.",
        "A tree.",
        "Ein Baum.",
    ]
    assert [row["id"] for row in rows if row["query"] is None] == ["en-2", "en-1"]
    assert links["de-1"] == links["en-2"]
    assert len(set(links.values())) == 4


def test_gold_pairs_that_share_a_sentence_share_a_link(bitext: Path) -> None:
    (bitext / "de-en.dev.gold").write_text("de-2\ten-1\nde-1\ten-2\nde-3\ten-1\n")
    rows = load_rows(task("bucc"), split="validation", language="de").to_list()

    links = {row["id"]: row["link"] for row in rows}
    assert links["de-2"] == links["de-3"] == links["en-1"] != links["de-1"]


@pytest.mark.parametrize(
    ("ending", "text", "message"),
    [
        ("gold", "de-9\ten-1\n", "de-en.dev.gold, line 1 names 'de-9'"),
        ("de", "de-1 Ein Haus.\n", "de-en.dev.de, line 1 must hold an id, a tab and a text"),
        ("en", "en-1\ta\nen-1\tb\n", "de-en.dev.en, line 2 has the id 'en-1' again"),
    ],
)
def test_a_wrong_line_is_named(ending: str, text: str, message: str, bitext: Path) -> None:
    (bitext / f"de-en.dev.{ending}").write_text(text)

    with pytest.raises(TaskDataError, match=message):
        check_readable(task("bucc"), split="validation", language="de")


@pytest.mark.usefixtures("bitext")
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnavailableError, match=r"has no fr-en.dev.fr, fr-en.dev.en, fr-en.dev.gold"):
        check_readable(task("bucc"), split="validation", language="fr")
    monkeypatch.delenv("XSTILTS_BUCC")
    with pytest.raises(UnavailableError, match="XSTILTS_BUCC is not set; set it to a folder with XTREME's files"):
        check_readable(task("bucc"), split="validation", language="de")


def test_a_changed_sentence_changes_the_key_and_the_test_split_is_not_read(bitext: Path) -> None:
    before = source_fingerprint(task("bucc"))
    (bitext / "de-en.test.de").write_text("de-7\tGeheim.\n")
    assert source_fingerprint(task("bucc")) == before
    (bitext / "de-en.dev.en").write_text("en-1\tA shrub.\nen-2\tA house.\n")
    assert source_fingerprint(task("bucc")) != before
