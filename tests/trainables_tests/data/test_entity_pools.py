"""Mewsli-X's rows: mentions in news that search the descriptions of all entities, from the files of its script."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.samples import NUM_ROWS, write_entities
from trainables.data.sources.availability import availability, why_missing
from trainables.data.sources.loader import load_rows
from trainables.data.sources.readable import check_readable
from trainables.data.sources.source import source_fingerprint
from trainables.errors import TaskDataError, UnavailableError
from trainables.tasks.registry import task

MENTIONS = "wikinews_mentions-dev.jsonl"
ENTITIES = "candidate_set_entities.jsonl"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_entities(tmp_path / "entities")
    monkeypatch.setenv("XSTILTS_MEWSLIX", str(tmp_path / "entities"))
    return tmp_path / "entities"


def change(path: Path, edit: Callable[[dict[str, Any]], Any], *, line: int = 0) -> None:
    lines = path.read_text().splitlines()
    content = json.loads(lines[line])
    edit(content)
    lines[line] = json.dumps(content)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.usefixtures("folder")
def test_a_mention_stands_in_its_sentence_before_its_entity_and_other_entities_come_last() -> None:
    rows = load_rows(task("mewsli_x"), split="validation", language="de").to_list()

    assert rows[0] == {"query": "star 0: They saw { star 0 } there.", "candidate": None, "link": "Q0", "id": "de-0"}
    assert rows[1] == {"query": None, "candidate": "star 0 is a thing. It is here.", "link": "Q0", "id": "Q0"}
    assert sum(row["query"] is not None for row in rows) == NUM_ROWS // 2
    assert sorted(row["id"] for row in rows if row["query"] is None) == sorted(f"Q{one}" for one in range(NUM_ROWS))
    assert [row["id"] for row in rows[NUM_ROWS:]] == [f"Q{one}" for one in range(1, NUM_ROWS, 2)]
    check_readable(task("mewsli_x"), split="validation", language="de")


def test_braces_of_the_sentence_are_no_marks_and_an_entity_of_two_mentions_is_one_candidate(folder: Path) -> None:
    def edit(article: dict[str, Any]) -> None:
        article["context"]["text"] = article["context"]["text"].replace("there", "{x}\nyes")
        article["context"]["sentence_spans"][1]["end"] = len(article["context"]["text"])
        article["mentions"].append(dict(article["mentions"][0], example_id="second"))

    change(folder / MENTIONS, edit)

    rows = load_rows(task("mewsli_x"), split="validation", language="en").to_list()

    assert rows[0]["query"] == "star 0: They saw { star 0 } (x) yes."
    assert [row["id"] for row in rows[:3]] == ["en-0", "Q0", "second"]


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        (MENTIONS, lambda line: line["mentions"][0].pop("entity_id"), "line 1 has no field 'entity_id'"),
        (
            MENTIONS,
            lambda line: line["mentions"][0].update(entity_id="Q999"),
            "lacks the entity 'Q999' of",
        ),
        (MENTIONS, lambda line: line["context"].update(text=""), "mention 'en-0' is 'star 0', but the text has ''"),
        (MENTIONS, lambda line: line["context"].update(sentence_spans=[]), "mention 'en-0' is in no sentence"),
        (ENTITIES, lambda line: line.update(entity_id="Q1"), "line 2 has the entity 'Q1' again"),
        (ENTITIES, lambda line: line.update(description=None), "line 1 is not as Mewsli-X's script writes it"),
    ],
)
def test_a_wrong_line_is_named(folder: Path, name: str, edit: Callable[[dict[str, Any]], Any], message: str) -> None:
    change(folder / name, edit)

    with pytest.raises(TaskDataError, match=message):
        load_rows(task("mewsli_x"), split="validation", language="en")


def test_what_is_missing_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TaskDataError, match="has no mention in 'uk'"):
        check_readable(task("mewsli_x"), split="validation", language="uk")
    (folder / ENTITIES).unlink()
    with pytest.raises(UnavailableError, match="has no candidate_set_entities"):
        check_readable(task("mewsli_x"), split="validation", language="en")
    monkeypatch.delenv("XSTILTS_MEWSLIX")
    assert availability(task("mewsli_x")) == "missing"
    assert "set XSTILTS_MEWSLIX" in str(why_missing(task("mewsli_x")))


def test_a_changed_mention_changes_the_key_and_the_test_split_is_not_read(folder: Path) -> None:
    before = source_fingerprint(task("mewsli_x"))
    (folder / "wikinews_mentions-test.jsonl").write_text("secret\n")
    assert source_fingerprint(task("mewsli_x")) == before
    change(folder / MENTIONS, lambda line: line["mentions"][0].update(example_id="other"))
    assert source_fingerprint(task("mewsli_x")) != before
