# ruff: noqa: RUF001  marks and letters of many scripts
"""LAReQA's rows: sentences of many languages, made by rules from paragraphs with questions, in one pool."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny import write_repository
from trainables.data.sources.availability import availability, why_missing
from trainables.data.sources.loader import load_rows
from trainables.data.sources.readable import check_readable
from trainables.data.sources.sentence_pools import sentence_pool_rows
from trainables.data.sources.sentences import sentence_spans
from trainables.data.sources.source import source_fingerprint
from trainables.errors import TaskDataError
from trainables.tasks.pool_sources import SentencePoolSource
from trainables.tasks.registry import task
from trainables.tasks.spec import TaskSpec

NUM_CANDIDATES = {
    "ar": 1222,
    "de": 1276,
    "el": 1234,
    "en": 1180,
    "es": 1215,
    "hi": 1244,
    "ru": 1219,
    "th": 852,
    "tr": 1167,
    "vi": 1209,
    "zh": 1196,
}
"""Sentences of XQuAD-R in LAReQA's annotation (README of google-research-datasets/lareqa)."""

ENGLISH = "J. Smith met Dr. Lee. They won 3.5 million! Who lost?"
GERMAN = "Am 3. Mai kam J. Smith. Er traf Dr. Lee. Beide gewannen!"


def sentences(text: str, language: str = "en") -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text, language=language)]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", ENGLISH, ["J. Smith met Dr. Lee.", "They won 3.5 million!", "Who lost?"]),
        ("en", 'It rose.[7] He said: "Go!" Then 5 left.', ["It rose.[7]", 'He said: "Go!"', "Then 5 left."]),
        ("en", "We met at 5 p.m. on Monday. [citation needed]", ["We met at 5 p.m. on Monday. [citation needed]"]),
        ("en", "One line\nof text. Two.\n\nA heading\n\nThree.", ["One line\nof text.", "Two.", "A heading", "Three."]),
        ("de", GERMAN, ["Am 3. Mai kam J. Smith.", "Er traf Dr. Lee.", "Beide gewannen!"]),
        ("zh", "他来了。“真的？”她问！好。", ["他来了。", "“真的？”", "她问！", "好。"]),
        ("hi", "वह आया। क्या वह गया? हाँ।", ["वह आया।", "क्या वह गया?", "हाँ।"]),
        ("ar", "جاء. هل ذهب؟ نعم.", ["جاء.", "هل ذهب؟", "نعم."]),
        ("el", "Ποιος ήρθε; Ο Νίκος.", ["Ποιος ήρθε;", "Ο Νίκος."]),
        ("ru", "В 1990 г. он уехал. Т. Иванов остался.", ["В 1990 г. он уехал.", "Т. Иванов остался."]),
        ("th", "ก" * 230 + " " + "ข" * 20 + " ค", ["ก" * 230, "ข" * 20 + " ค"]),
        ("en", "", []),
    ],
)
def test_sentences_end_by_the_rules(language: str, text: str, expected: list[str]) -> None:
    assert sentences(text, language) == expected


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(st.sampled_from(list("aB3.!? \n\t\"')[]。！؟।;กΑ…")), max_size=60),
    language=st.sampled_from(sorted(NUM_CANDIDATES)),
)
def test_every_character_but_space_is_in_one_sentence(text: str, language: str) -> None:
    spans = sentence_spans(text, language=language)

    covered = [place for start, end in spans for place in range(start, end)]
    assert covered == sorted(set(covered))
    assert {place for place, character in enumerate(text) if not character.isspace()} <= set(covered)
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)


def columns(*rows: tuple[str, str, str]) -> dict[str, list[object]]:
    """Return the columns of (id, paragraph, answer) rows."""
    return {
        "id": [name for name, _, _ in rows],
        "question": [f"{name}?" for name, _, _ in rows],
        "context": [paragraph for _, paragraph, _ in rows],
        "answers": [{"text": [said], "answer_start": [text.find(said)]} for _, text, said in rows],
    }


def pool_task(*pool: str) -> TaskSpec:
    return task("lareqa").model_copy(update={"source": SentencePoolSource(task="xquad", pool=pool)})


def test_a_question_stands_before_its_sentences_in_every_language_of_the_pool() -> None:
    english = columns(("q1", ENGLISH, "Lee"), ("q2", ENGLISH, "Smith"), ("q3", "Only one.", "one"))
    german = columns(("q1", GERMAN, "Lee"), ("q2", GERMAN, "Smith"), ("q3", "Nur einer.", "einer"))

    rows = sentence_pool_rows(pool_task("de", "en"), of_languages={"en": english, "de": german}, language="en")

    assert rows["id"] == [
        "q1",
        "de_1_1",
        "en_1_0",
        "q2",
        "de_1_0",
        "q3",
        "de_2_0",
        "en_2_0",
        "de_1_2",
        "en_1_1",
        "en_1_2",
    ]
    assert rows["links"] == [["q1"], ["q1"], ["q1", "q2"], ["q2"], ["q2"], ["q3"], ["q3"], ["q3"], [], [], []]
    assert rows["query"][:2] == ["q1?", None]
    assert rows["candidate"][:3] == [None, "Er traf Dr. Lee.", "J. Smith met Dr. Lee."]


def test_a_language_outside_the_pool_asks_it() -> None:
    english, german = columns(("q1", ENGLISH, "Lee")), columns(("q1", GERMAN, "Lee"))

    rows = sentence_pool_rows(pool_task("en"), of_languages={"en": english, "de": german}, language="de")

    assert rows["id"] == ["q1", "en_1_0", "en_1_1", "en_1_2"]


def test_an_answer_outside_its_paragraph_is_named() -> None:
    wrong = columns(("q7", ENGLISH, "nowhere"))

    with pytest.raises(TaskDataError, match="question 'q7' starts at character -1"):
        sentence_pool_rows(pool_task("en"), of_languages={"en": wrong}, language="en")


def test_the_rows_are_those_of_the_paragraphs_and_a_changed_paragraph_changes_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XSTILTS_MIRROR", str(tmp_path / "none"))
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert availability(task("lareqa")) == "missing"
    assert "its part xquad" in str(why_missing(task("lareqa")))
    keys = []
    for number, text in enumerate((ENGLISH, ENGLISH.replace("Who", "He"))):
        mirror = tmp_path / f"mirror{number}"
        configs = {f"xquad.{one}": {"validation": columns(("q1", text, "Lee"))} for one in NUM_CANDIDATES}
        write_repository(mirror / "datasets/google/xquad", configs=configs)
        monkeypatch.setenv("XSTILTS_MIRROR", str(mirror))
        keys.append(source_fingerprint(task("lareqa")))

    assert availability(task("lareqa")) == "mirror"
    assert keys[0] != keys[1]
    check_readable(task("lareqa"), split="validation", language="de")
    rows = load_rows(task("lareqa"), split="validation", language="de").to_list()
    assert [row["id"] for row in rows[:3]] == ["q1", "ar_1_0", "de_1_0"]
    assert len(rows) == 1 + 3 * len(NUM_CANDIDATES)


@pytest.mark.mirror
@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("XSTILTS_MIRROR"), reason="XSTILTS_MIRROR is unset: no real data here")
@pytest.mark.parametrize("language", sorted(NUM_CANDIDATES))
def test_xquad_has_about_as_many_sentences_as_lareqa_annotates(language: str) -> None:
    paragraphs = dict.fromkeys(load_rows(task("xquad"), split="validation", language=language)["context"])

    num_sentences = sum(len(sentence_spans(text, language=language)) for text in paragraphs)

    assert num_sentences == pytest.approx(NUM_CANDIDATES[language], rel=0.035)
